"""Where a configuration comes from, and whether it has changed since it was read."""

from pathlib import Path

from penstock.domain.errors import PenstockError
from penstock.egress.blame import Check, refused_part
from penstock.egress.load import Overrides, compile_default, compile_file, line_of
from penstock.egress.part import Folder, Mark, mark
from penstock.egress.refusal import refused_at
from penstock.egress.values import Json


class Source:
    """A file with those that it names, or no file. Every call looks at files: run it off the loop.

    ``check`` is asked about what was compiled; what it refuses is found in the file.
    """

    def __init__(self, path: Path | None, overrides: Overrides, check: Check) -> None:
        self._path = None if path is None else path.absolute()
        self._overrides = overrides
        self._check = check
        self._read: dict[Path, Mark] = {}

    def compile(self) -> Json:
        """What the core is told. Raises :class:`PenstockError` naming file, line and reason."""
        if self._path is None:
            return compile_default(self._overrides)
        folder = Folder(self._path.parent)
        try:
            shape = compile_file(self._path, self._overrides, folder)
        finally:
            # Also if it is refused: it is read again when one of its files changes.
            self._read = folder.read
        try:
            self._check(shape)
        except PenstockError as error:
            raise self._located(self._path, shape, error) from None
        return shape

    def changes(self) -> dict[Path, Mark]:
        """The files that are not as they were when they were read, and how they are now."""
        now = {path: mark(path) for path in self._read}
        return {path: found for path, found in now.items() if found != self._read[path]}

    def _located(self, path: Path, shape: Json, error: PenstockError) -> PenstockError:
        found = refused_part(shape, self._check)
        place, why = found or ((), error)
        return refused_at(path, line_of(path, place), why.message, hint=why.hint)
