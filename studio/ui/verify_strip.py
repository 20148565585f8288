"""A heat strip: which stretches of a text or a recording carry the mark, and how surely.

Colour never says it alone: each stretch is a bar whose height grows with the evidence, and stands below in words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from studio.provenance.text_words import chance

Segment = tuple[float, float, float]
WIDTH, HEIGHT = 1000, 36
SURE = 12
"""A chance of 1 in 10 to this power, or less, is drawn at full height."""
MOST_CHARS, MOST_ROWS = 20_000, 40


def strip(segments: Sequence[Segment], *, text: str | None = None, seconds: float | None = None) -> str:
    """The strip, the marked words where there is a text, and the stretches as a list. No text and no length:
    the last stretch is taken as the end."""
    whole = float(len(text)) if text is not None else seconds or max(end for _, end, _ in segments)
    parts = [
        (max(0.0, start), min(end, whole), p) for start, end, p in sorted(segments) if start < min(end, whole)
    ]
    if not parts or whole <= 0:
        return ""
    share = sum(end - start for start, end, _ in parts) / whole
    words = f"{len(parts)} marked {'stretch' if len(parts) == 1 else 'stretches'}, {share:.0%} of the whole"
    bars = "".join(_bar(start / whole, end / whole, p) for start, end, p in parts)
    unit = "characters" if text is not None else "seconds"
    rows = "".join(
        f"<li>{_span(start, end, text)}; chance without a mark: {chance(p)}</li>"
        for start, end, p in parts[:MOST_ROWS]
    )
    more = f"<li>and {len(parts) - MOST_ROWS} more</li>" if len(parts) > MOST_ROWS else ""
    return (
        f'<figure class="strip"><svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="{words}"><rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>{bars}</svg>'
        f'<figcaption class="fine"><span>0</span><span>{words}</span><span>{whole:,.4g} {unit}</span></figcaption></figure>'
        f"{_marked_words(parts, text)}<details><summary>The stretches</summary><ol>{rows}{more}</ol></details>"
    )


def _bar(start: float, end: float, p_value: float) -> str:
    height = HEIGHT * (0.35 + 0.65 * _surety(p_value))
    width = max(2.0, WIDTH * (end - start))
    return f'<rect class="heat" x="{WIDTH * start:.1f}" y="{HEIGHT - height:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _surety(p_value: float) -> float:
    """0 for no evidence, 1 for as much as is drawn."""
    return min(1.0, -math.log10(min(1.0, max(p_value, 10.0**-SURE))) / SURE)


def _span(start: float, end: float, text: str | None) -> str:
    if text is None:
        return f"{_clock(start)} to {_clock(end)}"
    words = " ".join(text[int(start) : int(end)].split())
    return f"“{escape(words[:60])}{'…' if len(words) > 60 else ''}”"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"


def _marked_words(parts: Sequence[Segment], text: str | None) -> str:
    if text is None or len(text) > MOST_CHARS:
        return ""
    pieces, at = [], 0
    for start, end, _ in parts:
        first, last = max(at, int(start)), int(end)
        pieces.append(f"{escape(text[at:first])}<mark>{escape(text[first:last])}</mark>")
        at = max(at, last)
    return f'<div class="words" dir="auto">{"".join(pieces)}{escape(text[at:])}</div>'
