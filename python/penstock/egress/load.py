"""From a file to what the core is told, or the reason why not."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from penstock.domain.errors import PenstockError
from penstock.egress.document import DEFAULT_LISTEN, Document, is_loopback
from penstock.egress.part import Folder, known_keys
from penstock.egress.places import Place, nearest_line, toml_lines
from penstock.egress.refusal import explain, refused, refused_at
from penstock.egress.resources.read import read_resources
from penstock.egress.values import Json

_BYTES = 4 << 20
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_SAID_BY_RESOURCES = ("listen", "listener", "route")


@dataclass(frozen=True, slots=True)
class Overrides:
    """What is said elsewhere, and stands above the file.

    ``gateway``: its users and service accounts are the callers, and its admin port tells of all of it.
    """

    listen: str | None = None
    admin_listen: str | None = None
    gateway: bool = False


def compile_default(overrides: Overrides) -> Json:
    """Without a file: this machine may go to every public address, by tunnels to port 443 too."""
    document = Document.model_validate({"listen": DEFAULT_LISTEN, "connect": {"enabled": True}})
    listen = overrides.listen or DEFAULT_LISTEN
    if not is_loopback(listen) and not overrides.gateway:
        raise refused(
            f"EGRESS_LISTEN is {listen}, and without a configuration anybody there could use the proxy",
            hint="name the callers in a file: penstock start egress --config FILE",
        )
    shape = _with(document.compiled(), overrides)
    shape["callers"]["anonymous"] = not overrides.gateway
    return shape


def compile_file(path: Path, overrides: Overrides, folder: Folder) -> Json:
    """Reads a TOML file, or resources in YAML. Raises :class:`PenstockError` naming file, line and reason."""
    folder.reads(path)
    text = read_text(path)
    if path.suffix in (".yaml", ".yml"):
        parts = read_resources([(path, text)], folder)
        return _with({**Document(anonymous=not overrides.gateway).compiled(), **parts}, overrides)
    document, lines = read_document(path, text, folder)
    shape = document.compiled()
    if document.resources:
        shape |= _resources(document, path, folder, lines)
    shape = _with(shape, overrides)
    if overrides.gateway:
        _refuse_callers(document, path, lines)
        shape["callers"]["anonymous"] = document.anonymous is True
    else:
        _refuse_open_ports(document, shape, path, lines)
    return shape


def line_of(path: Path, place: Place) -> int | None:
    """The line of a place in a TOML file; resources are compiled, and keep none."""
    return nearest_line(toml_lines(read_text(path)), place) if path.suffix not in (".yaml", ".yml") else None


def read_text(path: Path) -> str:
    """The text of a configuration file."""
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES + 1)
    except OSError as error:
        raise refused(
            f"cannot read {path}: {error.strerror}", hint="check the path, and who may read it"
        ) from None
    if len(data) > _BYTES:
        raise refused(f"{path} is larger than {_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refused_at(path, line, "this is not UTF-8") from None


def read_document(path: Path, text: str, folder: Folder) -> tuple[Document, dict[Place, int]]:
    """The file as a document, and where what stands."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(path, text, error) from None
    if not values:
        # Said by nobody: what an editor leaves for a moment must not open the proxy.
        raise refused(f"{path} is empty", hint='write at least listen = "127.0.0.1:3128"')
    lines = toml_lines(text)
    try:
        return Document.model_validate(values, context=folder), lines
    except ValidationError as error:
        where = partial(_where, path, lines)
        raise explain(error, where, partial(known_keys, Document)) from None


def _where(path: Path, lines: dict[Place, int], place: Sequence[str | int]) -> tuple[Path, int | None]:
    return path, nearest_line(lines, place)


def _no_toml(path: Path, text: str, error: tomllib.TOMLDecodeError) -> PenstockError:
    said, found = str(error), _AT_LINE.search(str(error))
    line = int(found[1]) if found else len(text.splitlines())
    message = f"this is not TOML: {said[: found.start()] if found else said}"
    return refused_at(path, line, message.rstrip(), hint="write key = value, text in quotes")


def _resources(document: Document, path: Path, folder: Folder, lines: dict[Place, int]) -> Json:
    """What the files in `resources` say. What both say is refused: neither is ignored."""
    texts = []
    for name in document.resources:
        file = folder.locate(name)
        folder.reads(file)
        texts.append((file, read_text(file)))
    parts = read_resources(texts, folder)
    for key in (*_SAID_BY_RESOURCES, *parts):
        if key in document.model_fields_set:
            raise refused_at(
                path,
                lines.get((key,)),
                f"{key} is said by the files in `resources`, too",
                hint="say it in one place",
            )
    if "enabled" in document.connect.model_fields_set:
        line = lines.get(("connect", "enabled"))
        raise refused_at(
            path, line, "connect.enabled is said by the Gateway in `resources`", hint="remove it"
        )
    return parts


def _with(shape: Json, overrides: Overrides) -> Json:
    """The addresses that settings name replace those of the file."""
    ports = shape["listeners"]
    if overrides.listen is not None:
        if len(ports) > 1:
            raise refused(
                "EGRESS_LISTEN is set, and the configuration names several ports",
                hint="unset EGRESS_LISTEN, or name one port in the file",
            )
        ports = [{**ports[0], "address": overrides.listen}]
    return {**shape, "listeners": ports, "admin_listen": overrides.admin_listen or shape["admin_listen"]}


def _refuse_callers(document: Document, path: Path, lines: dict[Place, int]) -> None:
    for key in ("caller", "admin_listen"):
        if key in document.model_fields_set:
            raise refused_at(
                path,
                nearest_line(lines, (key,)),
                f"{key} is for a forward proxy on its own",
                hint="in the gateway users and service accounts call, and ADMIN_LISTEN names its admin port",
            )


def _refuse_open_ports(document: Document, shape: Json, path: Path, lines: dict[Place, int]) -> None:
    """A port that others reach wants callers, or the word that anybody may call."""
    if document.anonymous is not None or document.caller:
        return
    reachable = [port["address"] for port in shape["listeners"] if not is_loopback(port["address"])]
    if reachable:
        place: Place = ("listener",) if document.listener else ("listen",)
        raise refused_at(
            path,
            lines.get(place),
            f"no caller is listed, so anybody who reaches {reachable[0]} could use the proxy",
            hint="list callers (penstock egress key NAME), or write anonymous = true",
        )
