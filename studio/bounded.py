"""Reading a foreign binary file without ever leaving it: the ground of every structural check."""

from __future__ import annotations

import struct
import tarfile
import zipfile
import zlib
from typing import BinaryIO

MAX_ENTRIES = 1_000_000
# What the standard library raises on damaged, encrypted or exotic zip and tar archives.
ARCHIVE_ERRORS = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError),
    *(KeyError, ValueError, NotImplementedError, RuntimeError, OverflowError),
)


class Malformed(Exception):
    """What is wrong, in a few words; the caller turns it into a sentence that names the file."""


class Bounded:
    """Little-endian reads that never leave the file and never allocate more than is in it."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size, self.at = file, size, 0

    def read(self, count: int) -> bytes:
        if count < 0 or self.at + count > self.size:
            raise Malformed("it ends too early")
        data = self.file.read(count)
        if len(data) != count:
            raise Malformed("it ends too early")
        self.at += count
        return data

    def skip(self, count: int) -> None:
        if count < 0 or self.at + count > self.size:
            raise Malformed("it ends too early")
        self.at += count
        self.file.seek(self.at)

    def number(self, code: str) -> int:
        return int(struct.unpack(f"<{code}", self.read(struct.calcsize(code)))[0])

    def count(self, code: str, what: str, limit: int = MAX_ENTRIES) -> int:
        value = self.number(code)
        if value > limit:
            raise Malformed(f"it claims {value} {what}")
        return value

    def varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.read(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise Malformed("a number in it has no end")
