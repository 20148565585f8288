"""Recordings opened for reading: whatever libsndfile knows, and M4A (Opus of the studio, AAC of telephones)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from studio.errors import BadInput

_BRAND = b"ftypM4A "
_MOST_SECONDS = 3_600
_BLOCK_SECONDS = 10


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The recording as a `soundfile.SoundFile`. Raises what `playable` raises, and soundfile.LibsndfileError."""
    import soundfile

    with soundfile.SoundFile(playable(path)) as file:
        file.seek(0)  # else libsndfile 1.2.2 loses its place in Ogg Opus that FFmpeg or a telephone wrote
        yield file


def playable(path: Path) -> Path | BinaryIO:
    """What `soundfile.SoundFile` opens: `path` itself, or the sound of an M4A file in memory.

    Opus is repacked into Ogg, packet by packet, without being decoded; anything else becomes 16-bit FLAC. Raises
    BadInput for an M4A file that is damaged, empty or longer than an hour, and OSError for no file.
    """
    with path.open("rb") as file:
        if file.read(12)[4:] != _BRAND:
            return path
    import av

    out = io.BytesIO()
    try:
        with av.open(str(path), format="mp4") as given:
            if not given.streams.audio:
                raise BadInput("The M4A file holds no sound; choose another file.")
            stream = given.streams.audio[0]
            if (given.duration or 0) / av.time_base > _MOST_SECONDS:
                raise BadInput("The recording is longer than an hour; cut it.")
            if stream.codec_context.name in ("opus", "libopus"):
                _repack(given, stream, out)
            else:
                _decode(given, stream, out)
    except BadInput:
        raise
    except Exception as error:  # a foreign file may make a decoder fail in any way
        raise BadInput("The M4A file is damaged and cannot be played; save it again as WAV.") from error
    out.seek(0)
    return out


def _repack(given: Any, stream: Any, out: BinaryIO) -> None:
    import av

    with av.open(out, "w", format="ogg") as ogg:
        copy = ogg.add_stream_from_template(stream)
        for packet in given.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                ogg.mux(packet)


def _decode(given: Any, stream: Any, out: BinaryIO) -> None:
    import av
    import soundfile

    rate, channels = int(stream.rate), len(stream.layout.channels)
    change = av.AudioResampler(
        format="s16", layout=stream.layout, rate=rate, frame_size=_BLOCK_SECONDS * rate
    )
    frames = 0
    with soundfile.SoundFile(out, "w", rate, channels, format="FLAC", subtype="PCM_16") as flac:
        for packet in given.demux(stream):
            for frame in packet.decode() if packet.dts is not None else ():
                for one in change.resample(frame):
                    flac.write(one.to_ndarray().reshape(-1, channels))
                    frames += one.samples
                    if frames > _MOST_SECONDS * rate:  # the container's own word on its length may be wrong
                        raise BadInput("The recording is longer than an hour; cut it.")
        for one in change.resample(None):
            flac.write(one.to_ndarray().reshape(-1, channels))
