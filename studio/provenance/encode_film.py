"""Frames of a walk between two prompts as a film: H.264 in MP4, there and back, so that it can run in a circle."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from studio.errors import SealFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRAMES_A_SECOND = 12
HELD = 6  # frames that each end stands still
_QUALITY = {
    "crf": "18",
    "preset": "medium",
    "tune": "animation",
    "threads": "1",
}  # one thread: the same bytes again


def film(frames: Sequence[NDArray[np.uint8]]) -> bytes:
    """The bytes of the MP4. Frames are uint8 (height, width, 3 or 4), all of one size; clear parts become white.

    Raises SealFailed for frames of different sizes and where FFmpeg has no encoder.
    """
    import av

    pictures = [_opaque(frame) for frame in frames]
    if len({picture.shape for picture in pictures}) != 1:
        raise SealFailed("The engine's film has frames of different sizes, so it was not saved.")
    height, width = pictures[0].shape[:2]
    out = io.BytesIO()
    try:
        with av.open(out, "w", format="mp4") as file:
            stream = file.add_stream("libx264", rate=FRAMES_A_SECOND, options=_QUALITY)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for picture in _there_and_back(pictures):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            file.mux(stream.encode())
    except (av.FFmpegError, ValueError) as error:
        raise SealFailed(f"The film could not be encoded ({error}), so it was not saved.") from error
    return out.getvalue()


def _there_and_back(pictures: list[Any]) -> list[Any]:
    first, *between, last = pictures
    return [first] * HELD + between + [last] * HELD + between[::-1]


def _opaque(frame: Any) -> Any:
    """On white, with sides of an even number of pixels, which the format asks for."""
    import numpy as np
    from PIL import Image

    if frame.shape[2] == 4:
        picture = Image.fromarray(np.ascontiguousarray(frame))
        frame = np.asarray(
            Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
        )
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
