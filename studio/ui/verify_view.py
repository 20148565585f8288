"""A report of `verify` as HTML: for the tab, for the page without an account, and as a file to keep or print.

Everything a file says of itself is a stranger's text. It is escaped here, where it becomes HTML, and nowhere
else; nothing of it ever stands in a URL, a style or a script.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import studio
from studio.provenance.beside import Given, differences, words_changed
from studio.provenance.meaning import integrity, meaning, trust
from studio.provenance.text_words import chance
from studio.types import Ingredient, Layer, Report
from studio.ui.verify_strip import strip

VERDICTS = {
    "intact": "✓ Intact",
    "recovered": "↺ Recovered, file altered",
    "marked": "◈ Marked",
    "labelled": "▤ Labelled",
    "altered": "✗ Altered",
    "nothing_found": "– Nothing found",
    "unreadable": "! Unreadable",
}
CSS = Path(__file__).with_name("verify.css")
STYLE = Path(__file__).with_name("studio.css")


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands beside a report: what was given, and the original where the library has it."""

    given: Given = Given()
    original: Given | None = None


def report(found: Report, shown: Shown | None = None, *, save: bool = True) -> str:
    """The report as a fragment; `save` adds a link that keeps it as a page of its own."""
    shown = shown or Shown()
    parts = [
        f'<div class="verdict {found.verdict}" role="status"><strong>{VERDICTS[found.verdict]}</strong>'
        f"{escape(found.statement)}</div>",
        _twofold(found),
        _beside(shown) if shown.original else "",
        '<section class="sheet layers"><h3>Layer by layer</h3>'
        + "".join(_layer(layer, shown.given) for layer in found.layers)
        + "</section>",
        _tree(found.ingredients),
        _checked(found),
        _saved(found, shown) if save else "",
    ]
    return f'<article class="report">{"".join(parts)}</article>'


def document(found: Report, shown: Shown | None = None) -> str:
    """The report as a whole page without scripts, to keep, to send or to print."""
    return page(
        f"Report on {_name(found)}", f"<h1>Signet<span>.</span> report</h1>{report(found, shown, save=False)}"
    )


def page(title: str, body: str) -> str:
    """A page of this studio's look that needs nothing from elsewhere."""
    style = STYLE.read_text("utf-8") + CSS.read_text("utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'\">"
        f'<title>{escape(title)}</title><style>{style}</style></head><body class="standalone"><main>{body}</main></body></html>'
    )


def _twofold(found: Report) -> str:
    return (
        f'<dl class="twofold"><div><dt>Is it unchanged?</dt><dd>{escape(integrity(found))}</dd></div>'
        f"<div><dt>Who stands behind it?</dt><dd>{escape(trust(found))}</dd></div></dl>"
    )


def _layer(layer: Layer, given: Given) -> str:
    state = layer.state.replace("_", " ")
    odds = "" if layer.p_value is None else f" Chance of this without a mark: {chance(layer.p_value)}."
    where = strip(layer.segments, text=given.text, seconds=given.seconds) if layer.segments else ""
    return (
        f'<div class="layer{" found" if layer.found else ""}"><h4>{layer.layer.capitalize()}'
        f' <span class="state">{escape(state)}</span></h4><p dir="auto">{escape(layer.detail)}{odds}</p>{where}'
        f'<p class="fine">{escape(meaning(layer))}</p></div>'
    )


def _tree(parts: Sequence[Ingredient]) -> str:
    if not parts:
        return ""
    said = "As the signers wrote it down; the inputs themselves are not here to be checked."
    return f'<section class="sheet tree"><h3>Made from</h3>{_branches(parts)}<p class="fine">{said}</p></section>'


def _branches(parts: Sequence[Ingredient]) -> str:
    rows = "".join(
        f'<li dir="auto"><b>{escape(part.title)}</b> <span class="fine">{escape(part.relation)}'
        f"{', ' + escape(part.media_type) if part.media_type else ''}</span><br>{escape(_sentence(part.detail))}"
        f"{_branches(part.parts)}</li>"
        for part in parts
    )
    return f"<ul>{rows}</ul>" if rows else ""


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


# --- The original beside the given file ---------------------------------------------------------


def _beside(shown: Shown) -> str:
    original, given = shown.original, shown.given
    assert original is not None
    faces = "".join(
        f"<figure>{face}<figcaption>{words}</figcaption></figure>"
        for words, one in (("The original in the library", original), ("What was given", given))
        if (face := _face(one, words))
    )
    changes = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(before)}</td><td>{escape(after)}</td></tr>'
        for name, before, after in differences(original, given)
    )
    table = (
        f'<table><thead><tr><th scope="col">What changed</th><th scope="col">Original</th><th scope="col">Given</th></tr></thead>{changes}</table>'
        if changes
        else ""
    )
    words = ""
    if original.text is not None and given.text is not None:
        words = _words(original.text, given.text)
    return f'<section class="sheet"><h3>Beside the original</h3><div class="faces">{faces}</div>{table}{words}</section>'


def _face(one: Given, words: str) -> str:
    """A small picture, or the loudness of a recording over its length."""
    if one.thumb:
        return f'<img alt="{words}" src="data:image/jpeg;base64,{base64.b64encode(one.thumb).decode()}">'
    if not one.wave:
        return ""
    bars = "".join(
        f'<rect class="heat" x="{3 * at}" y="{20 - 20 * peak:.1f}" width="2" height="{40 * peak:.1f}"/>'
        for at, peak in enumerate(one.wave)
    )
    return (
        f'<svg class="wave" viewBox="0 0 {3 * len(one.wave)} 40" preserveAspectRatio="none" role="img"'
        f' aria-label="{words}, loudness over time">{bars}</svg>'
    )


def _words(original: str, given: str) -> str:
    tags = {"same": "", "added": "ins", "removed": "del"}
    pieces = "".join(
        f"<{tag}>{escape(words)}</{tag}>" if (tag := tags[kind]) else escape(words)
        for kind, words in words_changed(original, given)
    )
    return (
        f'<div class="words" dir="auto">{pieces}</div>'
        '<p class="fine">Underlined: only in what was given. Struck through: only in the original.</p>'
    )


# --- What was checked, and the file to keep -----------------------------------------------------


def _checked(found: Report) -> str:
    when = f"{found.checked_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if found.checked_at else ""
    rows = {
        "Given": _name(found),
        "Size": f"{found.size:,} bytes" if found.size else "",
        "SHA-256": found.sha256,
        "Checked": when,
        "By": f"Signet {studio.__version__}",
        "Known signers": f"this studio's own; {found.trust_list}" if found.trust_list else "",
    }
    body = "".join(
        f'<tr><th scope="row">{name}</th><td dir="auto">{escape(value)}</td></tr>'
        for name, value in rows.items()
        if value
    )
    limits = (
        "A report says what was found in these bytes at this time. Whoever holds the digest can tell whether"
        " another file is the same one. Absence of evidence shows nothing about how something was made."
    )
    return f'<section class="sheet"><h3>What was checked</h3><table>{body}</table><p class="fine">{limits}</p></section>'


def _saved(found: Report, shown: Shown) -> str:
    if not found.sha256:
        return ""
    content = base64.b64encode(document(found, shown).encode()).decode()
    return (
        f'<p class="save"><a download="{file_name(found)}" href="data:text/html;base64,{content}">Save this report</a>'
        ' <span class="fine">One page, to keep or to print.</span></p>'
    )


def file_name(found: Report) -> str:
    """Of a saved report: by digest and day, nothing of the given file's own name."""
    day = (found.checked_at or datetime.now(UTC)).astimezone(UTC)
    return f"signet-report-{found.sha256[:12] or 'unread'}-{day:%Y%m%d}.html"


def _name(found: Report) -> str:
    """The last part of the path, without what would not be seen."""
    name = found.path.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c if c.isprintable() else "�" for c in name)[:200]
