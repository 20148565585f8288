"""Where given content came from, and what an edit without a model may therefore say of the result.

IPTC NewsCodes, digital source type, 2025: humanEdits is correction or enhancement with non-generative tools;
composite a mix of elements that may or may not be generative AI; compositeSynthetic a mix of which at least
one element is generative AI; compositeWithTrainedAlgorithmicMedia an enhancement *by* such a model, which an
edit of this kind never is. Nothing found in an input shows nothing: its source is then not stated at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from studio.errors import BadInput
from studio.provenance import labels
from studio.provenance.base import Means, mark_for
from studio.provenance.content import content, kinds_of
from studio.provenance.encode import sniff
from studio.provenance.manifest import COMPOSITE, COMPOSITE_SYNTHETIC, EDITED, GENERATED, HUMAN_EDITS
from studio.provenance.reading import read

SYNTHETIC = (GENERATED, COMPOSITE_SYNTHETIC, EDITED)
"""The source types that say that a generative model took part."""

MARK_PIXELS, MARK_SECONDS = 4_000_000, 300
_DEEPEST = 12


def origin_of(data: bytes, anchors: str, key: Callable[[], bytes], means: Means) -> str:
    """One of SYNTHETIC if credential, label or this studio's watermark says that AI took part; else "".

    Whoever signed it and whether the signature still holds makes no difference: what says of itself that it
    is generated is passed on as such.
    """
    media_type = sniff(data) or "application/octet-stream"
    stated = set(_stated(read(data, media_type, anchors).manifests))
    found = labels.read_labels(data, media_type) if labels.reads(media_type) else None
    if found is not None:
        stated |= {found.digital_source_type or "", GENERATED if found.aigc or found.visible else ""}
    told = next((one for one in (EDITED, COMPOSITE_SYNTHETIC, GENERATED) if one in stated), "")
    return told or (GENERATED if _marked(data, media_type, key, means) else "")


def source_of_edit(origins: Sequence[str]) -> str:
    """The source type of content that was edited without a model from inputs of these origins, one or more."""
    if len(origins) == 1:
        return origins[0] or HUMAN_EDITS
    return COMPOSITE_SYNTHETIC if any(origins) else COMPOSITE


def _stated(value: Any, depth: int = 0) -> Iterator[str]:
    """Every digitalSourceType in a store: those of the manifests of its ingredients count as well."""
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        if isinstance(kind := value.get("digitalSourceType"), str):
            yield kind.replace("https://", "http://", 1)
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _stated(item, depth + 1)


def _marked(data: bytes, media_type: str, key: Callable[[], bytes], means: Means) -> bool:
    kinds = kinds_of(media_type)
    mark = mark_for(kinds[0], means) if kinds else None
    if mark is None or kinds == ("text",):
        return False
    try:
        return mark.detect(
            content(data, media_type, most_pixels=MARK_PIXELS, most_seconds=MARK_SECONDS), key()
        ).found
    except BadInput:  # cannot be decoded, or not by this mark
        return False
