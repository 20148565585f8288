"""Photographic pictures that are unsafe for work are held back, by a small classifier that knows photographs.

Drawings are not looked at: the classifier has never seen any (the engine says in `Draft.facts` what it draws).
It judges nudity alone, errs both ways, and knows nothing of violence, people or law.
"""

from __future__ import annotations

from typing import ClassVar

from studio.catalog import Catalog
from studio.errors import Refused
from studio.nsfw import MODEL, rate
from studio.safety.base import guards
from studio.settings import Settings
from studio.types import Brief, Draft

OFF = 1.0


@guards.register
class NotSafeForWork:
    """Rates every photographic picture before it is sealed; refuses from the setting `nsfw_threshold` on."""

    name: ClassVar[str] = "nsfw"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, thing: Brief | Draft) -> None:
        limit = self._settings.nsfw_threshold
        if isinstance(thing, Brief) or thing.kind != "image" or "drawing" in thing.facts or limit >= OFF:
            return
        model = Catalog.read(self._settings).require(MODEL).folder / "model.onnx"
        frames = thing.payload if isinstance(thing.payload, list) else [thing.payload]
        rated = max(rate(frame, model) for frame in frames)
        if rated >= limit:
            raise Refused(
                f"The picture was held back: the guard rates it {rated:.2f} unsafe for work and the limit is"
                f" {limit:.2f}; change the prompt or the seed (an operator sets nsfw_threshold)."
            )
