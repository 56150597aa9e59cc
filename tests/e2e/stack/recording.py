"""A kept recording, taken apart and put together again as anybody could."""

from __future__ import annotations

import struct
from pathlib import Path

import zstandard


class Recording:
    """A recording as its format is described in docs/reference/recording-format.md."""

    def __init__(self, file: Path) -> None:
        self.file = file
        data = zstandard.ZstdDecompressor().decompressobj().decompress(file.read_bytes())
        self.header, self.records = data[:12], []
        at = 12
        while at < len(data):
            [length] = struct.unpack_from("<I", data, at)
            self.records.append(data[at : at + 20 + length + 32])
            at += 20 + length + 32

    def write(self, records: list[bytes]) -> None:
        """Replaces the file's records."""
        self.file.write_bytes(zstandard.compress(self.header + b"".join(records)))

    def write_plain(self, records: list[bytes]) -> None:
        """Replaces the file's records, as they are."""
        self.file.write_bytes(self.header + b"".join(records))
