"""Hostile files against the checking side: single byte flips, and files broken in many ways, both seeded.

Every container is sealed small, so that a check is fast; what marks do with hostile content is tested apart.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from studio.bench.base import Figure, Place, bench
from studio.provenance.encode import MEDIA
from studio.provenance.seal import Sealer
from studio.provenance.verify import Verifier
from studio.settings import Settings
from studio.types import Brief, Draft, Kind, LicenceNote, Report, Sound

FLIPS, FILES = 1_000, 10_000
NOTE = LicenceNote(
    "Apache-2.0", "Made with a test (Apache-2.0). Commercial use is allowed.", "yes", ("test",)
)
# What sizes and counts are set to, and what begins or ends something in one of the containers.
NUMBERS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1", b"\xff\xff")
WORDS = (
    b"jumb", b"jumd", b"c2pa", b"caBX", b"C2PA", b"IEND", b"RIFF", b"LIST", b"AIGC", b"ID3\4", b"GEOB", b"TXXX",
    b"uuid", b"moov", b"meta", b"fLaC", b"\xff\xeb", b"\xff\xd9", b"<x:xmpmeta ", b"<!DOCTYPE a [<!ENTITY b '", b"&b;",
    b"]>", b"-----BEGIN C2PA MANIFEST-----", b"-----END C2PA MANIFEST-----", b"<script type=\"application/c2pa\">",
    b"---\n", b"\xef\xbb\xbf", b"\xa1", b"\x9f", b"\xbf", b"\xd2\x84",
)  # fmt: skip
STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WAVE", b"ID3\4\0\0\0\0\1\0", b"fLaC", b"\0\0\0\x18ftypmp42", b"GIF89a", b"II*\0", b"%PDF-1.7", b"OggS", b"<svg ", b"<!doctype html>")  # fmt: skip


class Range:
    """A studio with one sealed file of every container, and a verifier with an empty library."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings.read({}, home=folder / "home", max_upload_mb=8)
        self.verifier = Verifier(self.settings, lambda key: None)
        self._given = folder / "given"
        sealer, draw = Sealer(self.settings), np.random.default_rng(7)
        payloads: dict[Kind, Any] = {
            "text": "# Harbour\n\nIt was quiet – 你好.\n\n- light\n- quick\n",
            "image": draw.integers(0, 255, (48, 40, 3), np.uint8),
            "speech": Sound(draw.normal(0, 0.1, (4_000, 1)).astype(np.float32), 16_000),
        }
        self.files: dict[str, bytes] = {}
        for name, media in MEDIA.items():
            kind = media.kinds[0]
            if kind not in payloads:
                continue  # no engine here makes films
            draft = Draft(kind, payloads[kind], "test", "1", 1, "cpu", "none", 1.0)
            sealed = sealer.seal(draft, Brief(kind, "test", format=name), NOTE, model_title="Test")
            self.files[name] = sealed.path.read_bytes()

    def check(self, data: bytes) -> Report:
        self._given.write_bytes(data)
        return self.verifier.verify(self._given)


def flips(files: dict[str, bytes], count: int, seed: int) -> Iterator[tuple[str, int, bytes]]:
    """(container, place, file with that byte changed), each container in turn."""
    draw, names = np.random.default_rng(seed), list(files)
    for number in range(count):
        name = names[number % len(names)]
        changed = bytearray(files[name])
        at = int(draw.integers(len(changed)))
        changed[at] ^= int(draw.integers(1, 256))
        yield name, at, bytes(changed)


def broken(files: dict[str, bytes], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(container, file broken by one to six changes of random kinds), each container in turn."""
    draw, names = np.random.default_rng(seed), list(files)
    for number in range(count):
        name = names[number % len(names)]
        data = bytearray(files[name])
        for _ in range(int(draw.integers(1, 7))):
            _break(data, files, draw)
        yield name, bytes(data)


def _break(data: bytearray, files: dict[str, bytes], draw: np.random.Generator) -> None:
    at = int(draw.integers(len(data) + 1))
    length = int(draw.integers(1, 400))
    match int(draw.integers(10)):
        case 0:
            data[at : at + 1] = draw.bytes(1)
        case 1:
            del data[at : at + length]
        case 2:
            del data[at:]
        case 3:
            data[at:at] = draw.bytes(length)
        case 4:
            data[at:at] = data[at : at + length] * int(draw.integers(1, 60))
        case 5:
            number = NUMBERS[int(draw.integers(len(NUMBERS)))]
            data[at : at + len(number)] = number
        case 6:
            word = WORDS[int(draw.integers(len(WORDS)))]
            data[at : at + (len(word) if draw.random() < 0.5 else 0)] = word
        case 7:
            other = list(files.values())[int(draw.integers(len(files)))]
            start = int(draw.integers(len(other)))
            data[at:at] = other[start : start + 20 * length]
        case 8:
            start_word = STARTS[int(draw.integers(len(STARTS)))]
            data[: len(start_word)] = start_word
        case _:
            data[at : at + length] = bytes(min(length, len(data) - at))
    del data[2**20 :]


@bench("seal.flips")
def flip_bench(place: Place) -> list[Figure]:
    """One byte changed anywhere in a sealed file of every container: how many are still called intact."""
    range_ = Range(place.folder)
    wrong = sum(range_.check(data).verdict == "intact" for _, _, data in flips(range_.files, FLIPS, 1))
    return [Figure("seal.flips.intact", wrong, "files", FLIPS, "0", wrong == 0)]


@bench("seal.fuzz")
def fuzz_bench(place: Place) -> list[Figure]:
    """Ten thousand broken files: how many raise, the slowest check, and how much memory grows."""
    range_ = Range(place.folder)
    for data in range_.files.values():
        range_.check(data)
    raised, slowest, before = 0, 0.0, _peak_mb()
    for _, data in broken(range_.files, FILES, 2):
        began = time.process_time()
        try:
            range_.check(data)
        except Exception:
            raised += 1
        slowest = max(slowest, time.process_time() - began)
    grown = _peak_mb() - before
    return [
        Figure("seal.fuzz.raised", raised, "files", FILES, "0", raised == 0),
        Figure("seal.fuzz.slowest", slowest, "s", FILES, "≤ 2", slowest <= 2),
        Figure("seal.fuzz.memory", grown, "MB", FILES, "≤ 200", grown <= 200),
    ]


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
