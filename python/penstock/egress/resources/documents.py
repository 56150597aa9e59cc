"""YAML documents with the lines of what they say. Strict: one meaning for every text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from penstock.domain.errors import PenstockError
from penstock.egress.places import Place
from penstock.egress.refusal import refused_at

_DOCUMENTS = 10_000
_DEPTH = 60


@dataclass(frozen=True, slots=True)
class Loaded:
    """One document, and where what of it stands."""

    path: Path
    shape: dict[str, Any]
    lines: dict[Place, tuple[Path, int]]

    def refused(self, place: Place, message: str, hint: str) -> PenstockError:
        """A fault in it, at a place of it."""
        path, line = self.at(place)
        return refused_at(path, line, message, hint=hint)

    def at(self, place: Sequence[str | int]) -> tuple[Path, int | None]:
        """The file and line of a place, or of what encloses it."""
        for end in range(len(place), -1, -1):
            found = self.lines.get(tuple(place[:end]))
            if found is not None:
                return found
        return self.path, None


class _Loader(yaml.SafeLoader):
    """Refuses aliases, which let a small text stand for a large one, and keys that are written twice."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_mark()
            raise yaml.MarkedYAMLError(problem="aliases are not read", problem_mark=mark)
        return super().compose_node(parent, index)


def load_documents(path: Path, text: str) -> list[Loaded]:
    """The documents of a file, without empty ones."""
    try:
        loader = _Loader(text)
        nodes = list(_nodes(loader))
        return [_loaded(path, loader, node) for node in nodes]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise refused_at(
            path, line, f"this cannot be read: {error.problem}", hint="check the indentation"
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise refused_at(path, None, f"this is not YAML: {said}", hint="check the file") from None


def _nodes(loader: _Loader) -> Iterator[yaml.MappingNode]:
    for _ in range(_DOCUMENTS):
        if not loader.check_node():
            return
        node = loader.get_node()
        if isinstance(node, yaml.MappingNode):
            yield node
        elif node is not None and not (
            isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
        ):
            raise yaml.MarkedYAMLError(problem="a resource is a table", problem_mark=node.start_mark)


def _loaded(path: Path, loader: _Loader, node: yaml.MappingNode) -> Loaded:
    lines = {place: (path, line) for place, line in _places(node, ())}
    shape: dict[str, Any] = loader.construct_document(node)
    return Loaded(path, shape, lines)


def _places(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    yield place, node.start_mark.line + 1
    if len(place) > _DEPTH:
        raise yaml.MarkedYAMLError(problem="it is nested too deeply", problem_mark=node.start_mark)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _places(item, (*place, index))
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem="a key is no text, or written twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
            # A table's line is its key's: its own mark is that of its first key.
            yield (*place, key.value), key.start_mark.line + 1
            yield from (
                (at, line) for at, line in _places(value, (*place, key.value)) if at != (*place, key.value)
            )
