"""What all parts of the configuration are: strict, and compiled by one rule."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo

from penstock.domain.pem import decode_pem
from penstock.egress.values import Json, Written

_PEM_BYTES = 1 << 20


class Part(BaseModel):
    """A table of the file. Unknown keys are refused, and nothing is converted from another type."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    def compiled(self) -> Json:
        """As the core reads it: every field by its name, a duration's with its unit."""
        shape: Json = {}
        for name, field in type(self).model_fields.items():
            suffix = next((mark.suffix for mark in field.metadata if isinstance(mark, Written)), "")
            shape[name + suffix] = compiled(getattr(self, name))
        return shape


def compiled(value: Any) -> Any:  # noqa: ANN401 - what a field holds
    """Parts within lists and tables, compiled."""
    match value:
        case Part():
            return value.compiled()
        case list():
            return [compiled(item) for item in value]
        case dict():
            return {key: compiled(item) for key, item in value.items()}
        case _:
            return value


def known_keys(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The keys that may stand in the table at a place, as they are written."""
    by_key: dict[str, type[BaseModel] | None] = {}
    for key in [*place, None]:
        by_key = {
            str(field.validation_alias or name): next(inner_models(field.annotation), None)
            for name, field in model.model_fields.items()
        }
        model = by_key.get(str(key)) or model
    return list(by_key)


def inner_models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - annotations have no common type
    """The models that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from inner_models(inner)


Mark = tuple[int, int, int] | None
"""Of a file: it is another one when the file was changed or replaced; None if there is none."""


def mark(path: Path) -> Mark:
    """The file's mark as it is now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


class Folder:
    """Where the paths in a file begin, and the marks of the files that were read through it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read: dict[Path, Mark] = {}

    def reads(self, path: Path) -> None:
        """Notes a file. Called before it is read: what changes meanwhile is seen to have changed."""
        self.read.setdefault(path, mark(path))

    def locate(self, text: str) -> Path:
        """The file that a path in the configuration means, by an absolute path."""
        return self.path / Path(text).expanduser()

    def pem(self, text: str) -> str:
        """The text of a PEM file. Raises ``ValueError``, which shows none of its content."""
        path = self.locate(text)
        self.reads(path)
        try:
            with path.open("rb") as file:
                return decode_pem(file.read(_PEM_BYTES).decode("ascii"))
        except OSError as error:
            raise ValueError(f"the file {path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"the file {path} is not PEM") from None
        except ValueError as error:
            raise ValueError(f"the file {path} {error}") from None


def _folder(info: ValidationInfo) -> Folder:
    if not isinstance(info.context, Folder):
        raise TypeError("a configuration is validated with the folder that its paths begin in")
    return info.context


def _read_pem(value: str, info: ValidationInfo) -> str:
    return _folder(info).pem(value)


def _locate(value: str, info: ValidationInfo) -> str:
    return str(_folder(info).locate(value))


PemFile = Annotated[str, AfterValidator(_read_pem), Written("path of a PEM file")]
FilePath = Annotated[str, AfterValidator(_locate), Written("path")]
