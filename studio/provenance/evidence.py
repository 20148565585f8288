"""What all layers of one check found, before anything is said about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from studio.provenance.base import Detection
from studio.provenance.labels import LabelsFound
from studio.provenance.lint import Assertions
from studio.provenance.manifest import GENERATION, MARKS
from studio.provenance.reading import Reading
from studio.types import Asset

UNMARKED = Detection(False, 1.0, detail="No watermark was looked for.", state="not_checked")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the layers found. `exact` is the asset with these very bytes; `signed_for` and `labelled_for`
    the assets that credential and labels name. `mark_names` is the beginning of the id that the mark carries,
    `marked` the assets whose id begins so; `alike` an asset that it resembles and how far it is from that.
    `line_ends` if nothing but line endings was changed."""

    reading: Reading
    labels: LabelsFound | None
    exact: Asset | None = None
    signed_for: Asset | None = None
    labelled_for: Asset | None = None
    mark: Detection = UNMARKED
    mark_names: str = ""
    marked: tuple[Asset, ...] = ()
    alike: tuple[Asset, float] | None = None
    line_ends: bool = False
    unread: str = ""

    @property
    def marked_for(self) -> Asset | None:
        """The asset that the mark names; of several with the same content the one that other layers name."""
        others = [self.exact, self.signed_for, self.alike and self.alike[0]]
        named = {asset.id for asset in others if asset}
        return next((asset for asset in self.marked if asset.id in named), next(iter(self.marked), None))

    @property
    def mark_differs(self) -> bool:
        """Whether credential and mark name different outputs of this studio."""
        signed = generation(self.reading).get("produce_id") if self.reading.state != "damaged" else None
        return bool(self.mark_names and isinstance(signed, str) and not signed.startswith(self.mark_names))

    @property
    def content_differs(self) -> bool:
        """Whether the mark names one output and the content resembles another."""
        return bool(
            self.mark_names and self.alike and self.alike[0].id not in {one.id for one in self.marked}
        )

    @property
    def origin(self) -> Asset | None:
        return self.marked_for or (self.alike[0] if self.alike else None)


def generation(reading: Reading) -> dict[str, Any]:
    """This studio's own assertion in a credential; empty for those of other tools."""
    return Assertions(reading.assertions).one(GENERATION)


def unmarked_because(reading: Reading) -> str:
    """Why its credential says that an output of this studio carries no watermark; "" if it says nothing of it."""
    reason = Assertions(reading.assertions).one(MARKS).get("reason") if reading.state != "damaged" else None
    return reason if isinstance(reason, str) else ""
