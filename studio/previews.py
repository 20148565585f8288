"""Sound that plays while the rest is still made: sealed before it is heard, like any other output; only not kept.

A stretch too short for the audio mark waits for the next one, so that what is heard is marked. Where nothing
follows, the last stretch leaves with the credential and the labels alone, and the credential says why.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.catalog import Model
from studio.provenance.seal import Sealer
from studio.types import Brief, Draft, LicenceNote, Progress, Sound


class Previews:
    """The previews of one job, in order; `rest` ends each candidate."""

    def __init__(
        self, sealer: Sealer, brief: Brief, model: Model, licence: LicenceNote, parents: Sequence[Path] = ()
    ) -> None:
        self._sealer, self._model, self._licence, self._parents = sealer, model, licence, parents
        self._brief = replace(brief, format="wav")
        self._held: list[Any] = []
        self._rate = 0
        self._begun = False

    def sealed(self, step: Progress) -> Progress:
        """`step` with its sound sealed, and what was held back before it; without a preview if it must wait."""
        if not isinstance(step.preview, bytes) or self._brief.kind not in ("speech", "music"):
            return step
        import soundfile

        samples, self._rate = soundfile.read(io.BytesIO(step.preview), dtype="float32", always_2d=True)
        self._held.append(samples)
        if self._sealer.too_little(self._brief.kind, self._sound()):
            return replace(step, preview=None)
        return replace(step, preview=self._seal())

    def rest(self) -> bytes | None:
        """What is held back at the end, sealed: a WAV, or None. The next stretch begins another candidate."""
        last = self._seal() if self._held else None
        self._begun = False
        return last

    def _sound(self) -> Sound:
        import numpy as np

        return Sound(np.concatenate(self._held), self._rate)

    def _seal(self) -> bytes:
        draft = Draft(
            self._brief.kind, self._sound(), self._model.name, self._model.revision,
            self._brief.seed or 0, "cpu", "", 0.0,
        )  # fmt: skip
        sealed = self._sealer.seal(
            draft, self._brief, self._licence, model_title=self._model.title, author=self._brief.author,
            parents=self._parents, explicit=not self._begun,
        )  # fmt: skip
        self._held, self._begun = [], True
        try:
            return sealed.path.read_bytes()
        finally:
            sealed.path.unlink()
