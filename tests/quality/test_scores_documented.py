"""Every score and every feature set has its line in docs/scores.md."""

from quality_material import ROOT

from studio.quality.base import metrics
from studio.quality.features import features


def test_documented() -> None:
    page = (ROOT / "docs/scores.md").read_text("utf-8")
    assert [name for name in (*metrics, *features) if f"`{name}`" not in page] == []
