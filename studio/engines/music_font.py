"""Instruments out of a SoundFont: the few that are played, unpacked from SF3 (Vorbis) to SF2 (16-bit PCM).

Structure: SoundFont Technical Specification 2.04, sections 5–8; SF3 is MuseScore's variant whose samples are
Ogg Vorbis streams. Everything read is checked against the file's own bounds, so an altered file is refused
(`ModelBroken`) and never read past its end. Samples that no wanted preset uses stay empty.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from studio.errors import ModelBroken

DRUM_BANK = 128
_INSTRUMENT, _SAMPLE = 41, 53  # generators that link downwards (8.1.2)
_SIZES = {
    "phdr": 38,
    "pbag": 4,
    "pmod": 10,
    "pgen": 4,
    "inst": 22,
    "ibag": 4,
    "imod": 10,
    "igen": 4,
    "shdr": 46,
}
_HEADER = struct.Struct("<20s5IBbHH")  # shdr: name, start, end, loop start, loop end, rate, pitch, …, type
_VORBIS = 0x10
_GUARD = 46  # zero samples after each (7.10)
_MOST_SAMPLES = 200_000_000


def unpack(data: bytes, presets: Iterable[tuple[int, int]]) -> bytes:
    """An SF2 file that sounds like `data` (SF2 or SF3) for the wanted (bank, program) presets.

    Raises ModelBroken for a file that is cut short, inconsistent, or lacks one of the presets.
    """
    try:
        tables, samples = _read(data)
        used = _used_samples(tables, set(presets))
        headers, pcm = _decoded(tables["shdr"], samples, used)
    except (struct.error, IndexError, KeyError, ValueError, RuntimeError) as error:
        raise ModelBroken(
            f"The SoundFont cannot be read ({error}); get it again with: python -m studio models pull fluid-r3-mono"
        ) from error
    return _written({**tables, "shdr": headers}, pcm)


def _read(data: bytes) -> tuple[dict[str, bytes], bytes]:
    """The nine tables of the pdta list and the body of the sample chunk."""
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise ValueError("it is no SoundFont")
    tables: dict[str, bytes] = {}
    samples = b""
    for name, body in _chunks(data[12 : 8 + struct.unpack_from("<I", data, 4)[0]]):
        if name != b"LIST":
            continue
        for inner, content in _chunks(body[4:]):
            if inner == b"smpl":
                samples = content
            elif body[:4] == b"pdta":
                tables[inner.decode("ascii")] = content
    for table, size in _SIZES.items():
        if not tables.get(table) or len(tables[table]) % size:
            raise ValueError(f"its table {table} is missing or cut short")
    return tables, samples


def _chunks(data: bytes) -> Iterable[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if at + 8 + size > len(data):
            raise ValueError("a chunk is longer than the file")
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _used_samples(tables: Mapping[str, bytes], wanted: set[tuple[int, int]]) -> set[int]:
    instruments: set[int] = set()
    found = set()
    for place in range(len(tables["phdr"]) // 38 - 1):
        program, bank, first = struct.unpack_from("<20x3H", tables["phdr"], 38 * place)
        last = struct.unpack_from("<24xH", tables["phdr"], 38 * place + 38)[0]
        if (bank, program) in wanted:
            found.add((bank, program))
            instruments |= _links(tables["pbag"], tables["pgen"], first, last, _INSTRUMENT)
    if missing := wanted - found:
        raise ValueError(f"it has no preset {min(missing)}")
    samples: set[int] = set()
    for place in instruments:
        first = struct.unpack_from("<20xH", tables["inst"], 22 * place)[0]
        last = struct.unpack_from("<20xH", tables["inst"], 22 * place + 22)[0]
        samples |= _links(tables["ibag"], tables["igen"], first, last, _SAMPLE)
    return samples


def _links(bags: bytes, generators: bytes, first: int, last: int, kind: int) -> set[int]:
    """What the generators of bags first … last − 1 point to."""
    start, end = (struct.unpack_from("<H", bags, 4 * place)[0] for place in (first, last))
    pairs = (struct.unpack_from("<2H", generators, 4 * place) for place in range(start, end))
    return {amount for generator, amount in pairs if generator == kind}


def _decoded(table: bytes, samples: bytes, used: set[int]) -> tuple[bytes, bytes]:
    """The sample headers moved to their new places, and the 16-bit samples themselves."""
    import numpy as np

    headers, pcm, total = [], [], 0
    for place in range(len(table) // 46):
        name, start, end, loop, loop_end, rate, pitch, tune, link, kind = _HEADER.unpack_from(
            table, 46 * place
        )
        if place not in used:
            headers.append(_HEADER.pack(name, 0, 0, 0, 0, rate, pitch, tune, link, kind & ~_VORBIS))
            continue
        if kind & _VORBIS:
            decoded = _vorbis(samples[start:end])  # loop points count from the start of the sample
        else:
            decoded = np.frombuffer(samples[2 * start : 2 * end], "<i2")
            loop, loop_end = loop - start, loop_end - start
        if not 0 <= loop <= loop_end <= len(decoded) + 1 or not len(decoded):
            raise ValueError(f"sample {place} is empty or loops outside of itself")
        headers.append(
            _HEADER.pack(
                name, total, total + len(decoded), total + loop, total + loop_end, rate, pitch, tune, link,
                kind & ~_VORBIS,
            )
        )  # fmt: skip
        pcm += [decoded.astype("<i2"), np.zeros(_GUARD, "<i2")]
        total += len(decoded) + _GUARD
        if total > _MOST_SAMPLES:
            raise ValueError("its samples are unreasonably long")
    return b"".join(headers), b"".join(part.tobytes() for part in pcm)


def _vorbis(data: bytes) -> Any:
    import soundfile

    samples, _ = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    return samples[:, 0]


def _written(tables: Mapping[str, bytes], pcm: bytes) -> bytes:
    version = _chunk(b"ifil", struct.pack("<2H", 2, 4))
    info = b"INFO" + version + _chunk(b"isng", b"EMU8000\0") + _chunk(b"INAM", b"Signet\0\0")
    data = b"sdta" + _chunk(b"smpl", pcm)
    presets = b"pdta" + b"".join(_chunk(name.encode(), tables[name]) for name in _SIZES)
    return _chunk(b"RIFF", b"sfbk" + b"".join(_chunk(b"LIST", part) for part in (info, data, presets)))


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
