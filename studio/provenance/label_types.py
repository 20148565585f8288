"""What is to be said in labels (`LabelFacts`), and what a file was found to say (`LabelsFound`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from studio.provenance import label_gb
from studio.provenance.label_fields import AIGC, DIGITAL_SOURCE_TYPE, IDENTIFIER, RIGHTS, Findings
from studio.provenance.label_gb import GbLabel

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED = f"{IPTC}trainedAlgorithmicMedia"
EDITED = f"{IPTC}compositeWithTrainedAlgorithmicMedia"
# The IPTC source types that say a machine made or changed something.
ARTIFICIAL = {
    GENERATED,
    EDITED,
    f"{IPTC}algorithmicMedia",
    f"{IPTC}algorithmicallyEnhanced",
    f"{IPTC}compositeSynthetic",
}


@dataclass(frozen=True, slots=True)
class LabelFacts:
    """What is to be said. `digital_source_type` is the full IPTC URI; `prompt` None keeps it to its digest.

    `artificial` is false where no generative model took part: then nothing is said of AI.
    """

    produce_id: str
    producer: str
    model_title: str
    model_version: str
    licence_note: str
    licence_id: str
    digital_source_type: str
    created_at: datetime
    prompt_digest: str
    prompt: str | None
    title: str
    system: str
    artificial: bool = True


@dataclass(frozen=True, slots=True)
class LabelsFound:
    """What a file says about itself. `values` are all (where, name, value) met, in the file's order.

    `aigc` is the GB 45438 label (the first, if there are several); `problems` are sentences on what could
    not be read or contradicts itself. A file without labels is neither generated nor not: `says` is "unknown".
    """

    media_type: str
    aigc: GbLabel | None = None
    digital_source_type: str | None = None
    licence_note: str | None = None
    values: tuple[tuple[str, str, str], ...] = ()
    problems: tuple[str, ...] = ()
    visible: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        return bool(self.aigc or self.digital_source_type in ARTIFICIAL or self.visible)

    @property
    def says(self) -> str:
        """ "generated", "edited" or "unknown", from the labels alone."""
        if self.digital_source_type in (EDITED, f"{IPTC}algorithmicallyEnhanced"):
            return "edited"
        return "generated" if self.found else "unknown"

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id that may name this output in a library: ours first."""
        named = [self.get(IDENTIFIER)]
        named += [self.aigc.propagate_id, self.aigc.produce_id] if self.aigc else []
        return tuple(dict.fromkeys(one for one in named if one))

    def get(self, name: str) -> str | None:
        """The first value called `name` (see `label_fields`)."""
        return next((value for _, key, value in self.values if key == name), None)


def interpreted(kind: str, found: Findings) -> LabelsFound:
    labels = []
    for where, name, value in found.values:
        if name != AIGC:
            continue
        label = label_gb.parse(value, where)
        if label:
            labels.append(label)
        else:
            found.problem(f"The AIGC label in {where} cannot be read.")
    for label in labels[:1]:
        for fault in label_gb.faults(label):
            found.problem(fault)
    if any(not label.same_as(labels[0]) for label in labels[1:]):
        found.problem("The file has several AIGC labels that contradict each other.")
    first = LabelsFound(kind, values=tuple(found.values))
    return LabelsFound(
        media_type=kind,
        aigc=labels[0] if labels else None,
        digital_source_type=_full_uri(first.get(DIGITAL_SOURCE_TYPE)),
        licence_note=first.get(RIGHTS),
        values=first.values,
        problems=tuple(found.problems),
        visible=tuple(value for _, name, value in found.values if name == "VisibleLabel"),
    )


def _full_uri(value: str | None) -> str | None:
    """The IPTC URI; some tools write its last part only, or https."""
    if not value:
        return None
    value = value.strip().replace("https://", "http://", 1)
    return value if value.startswith("http://") else IPTC + value
