"""Nouns as HTML. Everything that came from a model, a person or a file is escaped here, in one place."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from studio.drawings import read_drawing
from studio.types import Asset, Credential, LicenceNote, Progress, Score, Scorecard

BETTER = {"higher": "higher is better", "lower": "lower is better", "neither": ""}
TITLES = {
    "distinct_2": "Distinct-2",
    "dnsmos": "DNSMOS",
    "mark_psnr": "Watermark PSNR",
    "mark_snr": "Watermark SNR",
    "mark_ssim": "Watermark SSIM",
    "self_bleu": "Self-BLEU",
}
COMMERCIAL = {
    "yes": "Commercial use: allowed by every source",
    "no": "Commercial use: not allowed",
    "unknown": "Commercial use: cannot be promised",
}
STAGES = {"queued": "Waiting for its turn", "running": "Working"}


def notice(sentence: str, *, trouble: bool = False) -> str:
    """One sentence for a person; `trouble` is announced to screen readers at once."""
    if trouble:
        return f'<div class="notice trouble" role="alert"><b>Not done.</b> {escape(sentence)}</div>'
    return f'<div class="notice" role="status">{escape(sentence)}</div>'


def download(text: str, name: str, words: str) -> str:
    """A link that saves a text as a file; the text stands in the link itself."""
    content = base64.b64encode(text.encode("utf-8")).decode()
    return (
        f'<p class="fine"><a download="{escape(name, quote=True)}"'
        f' href="data:text/plain;charset=utf-8;base64,{content}">{escape(words)}</a></p>'
    )


def empty(title: str, hint: str) -> str:
    return f'<div class="empty"><strong>{escape(title)}</strong>{escape(hint)}</div>'


def meter(progress: Progress, seconds_left: float | None) -> str:
    """Stage, estimate and a bar; an unknown fraction leaves the bar indeterminate."""
    words = STAGES.get(progress.stage) or progress.message or progress.stage.capitalize()
    left = f"about {_duration(seconds_left)} left" if seconds_left is not None else ""
    value = "" if progress.fraction is None else f' value="{progress.fraction:.3f}"'
    return (
        f'<div class="meter" role="status"><div class="words"><span>{escape(words)}</span><span>{left}</span></div>'
        f'<progress aria-label="Progress" max="1"{value}></progress></div>'
    )


def stream(texts: Mapping[int, str], count: int) -> str:
    """Texts while they are being written, by candidate."""
    parts = []
    for candidate in sorted(texts):
        which = f'<span class="which">Candidate {candidate + 1}</span>' if count > 1 else ""
        parts.append(f'<div class="stream" dir="auto">{which}{escape(texts[candidate])}</div>')
    return "".join(parts)


def scorecard(card: Scorecard) -> str:
    rows = "".join(_score_row(score) for score in card.scores)
    held = "".join(
        f"<li><b>{escape(score_title(name))}</b>: {escape(why)}</li>" for name, why in card.withheld.items()
    )
    table = f"<table>{rows}</table>" if rows else '<p class="fine">No score applies to this output.</p>'
    more = (
        f"<details><summary>{len(card.withheld)} withheld, and why</summary><ul>{held}</ul></details>"
        if held
        else ""
    )
    return f'<section class="sheet"><h3>Scorecard</h3>{table}{more}</section>'


def _score_row(score: Score) -> str:
    unit = f" {escape(score.unit)}" if score.unit else ""
    place = ""
    if score.percentile is not None:
        place = f"higher than {score.percentile:.0f} % of {score.reference}. "
    span = f"95 % interval {score.interval[0]:.3g} to {score.interval[1]:.3g}. " if score.interval else ""
    by = "" if score.model == "none" else f"By {score.model} {score.version}. "
    better = BETTER[score.better].capitalize()
    fine = f"{place}{span}{by}{better}{'. ' if better else ''}For {score.domain}."
    detail = f'<div dir="auto">{escape(score.detail)}</div>' if score.detail else ""
    return (
        f'<tr><th scope="row">{escape(score_title(score.name))}</th><td class="number">{_number(score.value)}{unit}</td>'
        f'<td class="fine">{detail}{escape(fine[:1].upper() + fine[1:])}</td></tr>'
    )


def seal(credential: Credential) -> str:
    licence = credential.licence
    layers = ", ".join(credential.layers)
    return (
        '<section class="sheet"><h3>Seal</h3><table>'
        f'<tr><th scope="row">Signed by</th><td>{escape(credential.signer)}, {credential.signed_at:%Y-%m-%d %H:%M} UTC</td></tr>'
        f'<tr><th scope="row">Layers</th><td>{escape(layers)}</td></tr>'
        f'<tr><th scope="row">Licence</th><td>{_licence(licence)}</td></tr>'
        f'<tr><th scope="row">Credential</th><td><code>{escape(credential.manifest_digest)}</code></td></tr>'
        "</table></section>"
    )


def _licence(note: LicenceNote) -> str:
    sources = "".join(f"<li>{escape(source)}</li>" for source in note.sources)
    more = f"<details><summary>Sources</summary><ul>{sources}</ul></details>" if sources else ""
    return f"<b>{escape(COMMERCIAL[note.commercial])}.</b> {escape(note.note)}{more}"


def record(asset: Asset) -> str:
    """How it was made."""
    options = ", ".join(
        f"{name} {value}"
        for name, value in asset.model.settings.items()
        if value not in (None, "") and len(str(value)) <= 300  # a whole recorded score is for programs
    )
    rows = {
        "Brief": asset.brief.prompt or (asset.brief.template or ""),
        "Model": f"{asset.model.id} {asset.model.revision} on {asset.model.device} ({asset.model.dtype})",
        "Seed": str(asset.model.seed),
        "Time": f"{asset.model.seconds:.1f} s, {asset.created_at:%Y-%m-%d %H:%M} UTC",
        "Options": options,
        "Id": asset.id,
    }
    body = "".join(
        f'<tr><th scope="row">{name}</th><td dir="auto">{escape(value)}</td></tr>'
        for name, value in rows.items()
        if value
    )
    return f'<section class="sheet"><h3>Record</h3><table>{body}</table></section>'


def shelf(assets: Iterable[Asset], faces: Mapping[str, str]) -> str:
    """The library as a grid of buttons; `faces` holds each asset's small picture or first words as HTML."""
    cards = "".join(
        f'<button type="button" data-asset="{asset.id}" aria-label="Open {asset.kind}: {escape(_title(asset), quote=True)}">'
        f'<span class="face">{faces[asset.id]}</span><span class="title" dir="auto">{escape(_title(asset))}</span>'
        f'<span class="fine">{asset.kind} · {asset.created_at:%Y-%m-%d %H:%M} · {escape(asset.model.id)}</span></button>'
        for asset in assets
    )
    return f'<div class="shelf">{cards}</div>'


def face(asset: Asset, text: str) -> str:
    """A small picture of an asset: a thumbnail, a waveform, or its first words."""
    if asset.kind == "image" and asset.path.exists():
        return f'<img alt="" src="{_thumbnail(asset.path)}">'
    if asset.kind in ("speech", "music"):
        return '<p aria-hidden="true" style="font-size:2.5rem;align-self:center">♪</p>'
    return f'<p dir="auto">{escape(text[:220])}</p>'


def _thumbnail(path: Path) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    with Image.fromarray(read_drawing(path)) if path.suffix == ".svg" else Image.open(path) as picture:
        picture.thumbnail((240, 240))
        picture.convert("RGBA").save(buffer, "WEBP", quality=70)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _title(asset: Asset) -> str:
    words = asset.brief.prompt.strip() or (asset.brief.template or "untitled")
    return words if len(words) <= 120 else words[:119] + "…"


def score_title(name: str) -> str:
    """The name of a score as people write it: "self_bleu" is "Self-BLEU"."""
    return TITLES.get(name) or name.replace("_", " ").capitalize()


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e9:
        return f"{value:,.0f}"
    short = f"{value:.3g}"
    return f"{value:.4f}" if float(short) == 1 else short  # nearly one is not one


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
