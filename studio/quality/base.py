"""The seam of every score: a `Metric` looks at the sealed file and returns one number, or withholds.

A module in this package is one family of metrics. A metric that does not apply raises `Withheld`
with the reason; it never returns zero for "unknown". `Sample` decodes a file once for all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

from studio.registry import Registry
from studio.types import Brief, Kind, Score, Sound


class Withheld(Exception):
    """This score says nothing about this output; the message is the reason shown to people."""


@dataclass(frozen=True)
class Sample:
    """One sealed file, decoded at most once. Other candidates' texts serve diversity scores.

    `facts` are the engine's own numbers (see `Draft.facts`) and what the marks cost the content.
    `recent` are the last outputs of the same kind and person. `required` and `forbidden` are phrases that template or brand ask for or rule out. `models` are the
    folders of the catalog models a metric `needs`; the card fills them in.
    """

    path: Path
    kind: Kind
    media_type: str
    brief: Brief
    facts: dict[str, float] = field(default_factory=dict)
    others: tuple[Path, ...] = ()
    recent: tuple[Path, ...] = ()
    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    models: Mapping[str, Path] = field(default_factory=dict)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()

    @cached_property
    def text(self) -> str:
        """The words themselves, without front matter, mark-up and invisible credential."""
        from studio.quality.decode import read_text

        return read_text(self.path, self.media_type)

    @cached_property
    def pixels(self) -> Any:
        """uint8 (height, width, 3 or 4)."""
        from studio.quality.decode import read_pixels

        return read_pixels(self.path)

    @cached_property
    def luma(self) -> Any:
        """float32 (height, width), 0–255: Rec. 709 luma of the picture laid on white."""
        from studio.quality.picture import luma

        return luma(self.pixels)

    @cached_property
    def lightness(self) -> Any:
        """float32 (height, width), 0–100: CIE L* of `luma`."""
        from studio.quality.picture import lightness

        return lightness(self.luma)

    @cached_property
    def mono(self) -> Any:
        """float32 (frames,): the mean of the channels."""
        return sum(self.channels()) / self.sound.samples.shape[1]

    def channels(self) -> Iterator[Any]:
        """Each channel as contiguous float32 (frames,): numpy is several times slower across the channels."""
        from numpy import ascontiguousarray

        return (ascontiguousarray(channel) for channel in self.sound.samples.T)

    @cached_property
    def peak(self) -> float:
        """The largest absolute sample."""
        samples = self.sound.samples
        return max(float(samples.max()), -float(samples.min())) if samples.size else 0.0

    @cached_property
    def music(self) -> Any:
        """float32 (frames,): the first ten minutes of `mono` at the rate that the music scores listen at."""
        from studio.quality.spectrum import MAX_SECONDS, resampled

        rate = self.sound.sample_rate
        return resampled(self.mono[: int(MAX_SECONDS * rate)], rate)

    @cached_property
    def chroma(self) -> Any:
        """float32 (frames, 12): energy by pitch class from C, of `music`."""
        from studio.quality.spectrum import chroma

        return chroma(self.music)

    @cached_property
    def sound(self) -> Sound:
        from studio.quality.decode import read_sound

        return read_sound(self.path)


class Metric(Protocol):
    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]
    needs: ClassVar[tuple[str, ...]]
    """Catalog models that must be pulled; without them the score is withheld, saying so."""

    def score(self, sample: Sample) -> Score:
        """Raises Withheld. A class attribute `costly = True` leaves the metric to Evaluate."""


metrics: Registry[type[Metric]] = Registry("metric", "studio.quality")
