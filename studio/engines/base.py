"""The seam of every model: an `Engine` drives one model and knows no HTTP, page or file name.

An engine is one module in this package. Its class registers itself; heavy imports live inside
`load`. See `echo.py` for the smallest complete ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

from studio.catalog import Model
from studio.registry import Registry
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress


@dataclass(frozen=True, slots=True)
class Device:
    """Where a model runs: `name` is "cpu", "mps" or "cuda:N"; sizes in megabytes."""

    name: str
    title: str
    total_mb: int
    free_mb: int


class Engine(Protocol):
    """One model, loaded lazily, used by up to `concurrency` jobs at the same time.

    `generate` yields Progress as often as it likes and one Draft per candidate (`brief.count`),
    looks at `job.cancelled` at every step and returns early when it is true. It raises StudioError
    with one clear sentence for whatever a person can mend; seeds are `seed + candidate`.

    An engine may have a static method `companions(settings, note) -> dict[str, bytes]`: files by suffix
    that belong beside an asset with these settings, each carrying `note` (see studio/companions.py).
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]
    Options: ClassVar[type]
    concurrency: ClassVar[int]

    def __init__(self, model: Model, device: Device, settings: Settings) -> None: ...

    def load(self) -> None:
        """Bring the weights into memory; ModelMissing or ModelBroken say what is wrong with them."""

    def generate(self, job: Job) -> Iterator[Progress | Draft]: ...

    def close(self) -> None:
        """Give the memory back. The object may be loaded again afterwards."""


engines: Registry[type[Engine]] = Registry("engine", "studio.engines")
