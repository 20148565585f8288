"""Nouns as JSON, as docs/contract of the command line promises them, and as one plain line."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from studio.types import Asset, Report, Scorecard


def asset_json(asset: Asset, path: Path | None = None) -> str:
    """One object a line; `path` is where the sealed copy was written, if not in the library."""
    licence = asset.credential.licence
    return _line(
        {
            "id": asset.id,
            "path": str(path or asset.path),
            "media_type": asset.media_type,
            "kind": asset.kind,
            "model": asset.model.id,
            "revision": asset.model.revision,
            "seed": asset.model.seed,
            "seconds": round(asset.model.seconds, 3),
            "scorecard": scorecard_json(asset.scorecard),
            "credential": {
                "layers": list(asset.credential.layers),
                "licence": {
                    "id": licence.id,
                    "note": licence.note,
                    "commercial": licence.commercial,
                    "sources": list(licence.sources),
                },
                "manifest_digest": asset.credential.manifest_digest,
                "signer": asset.credential.signer,
            },
        }
    )


def scorecard_json(card: Scorecard) -> dict[str, Any]:
    return {"scores": [asdict(score) for score in card.scores], "withheld": dict(card.withheld)}


def report_json(report: Report) -> str:
    """Optional members stand only where they are known."""
    value = {key: item for key, item in asdict(report).items() if item not in (None, "", ()) or key == "path"}
    if report.checked_at is not None:
        value["checked_at"] = report.checked_at.isoformat(timespec="seconds")
    value["layers"] = [
        {key: item for key, item in layer.items() if item is not None} for layer in value["layers"]
    ]
    return _line(value)


def asset_line(asset: Asset, path: Path | None = None) -> str:
    """`path  model  first scores  licence`: what a person wants to see at a glance."""
    shown = "  ".join(f"{score.name} {score.value:.3g}" for score in asset.scorecard.scores[:3])
    return f"{path or asset.path}  [{asset.model.id}]  {shown}  {asset.credential.licence.id}"


def _line(value: Any) -> str:
    return json.dumps(finite(value), ensure_ascii=False, default=str)


def finite(value: Any) -> Any:
    """The value with None for infinity and NaN, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
