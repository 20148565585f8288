"""`studio edit RECORDING…`: cut, join, level and mix sound; the result says honestly what it was made from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from studio.cli.context import Context
from studio.cli.create import read_pairs, run_brief
from studio.cli.progress import Meter
from studio.errors import BadInput, NotFound
from studio.service import Studio
from studio.types import Brief, Kind

SOUND: tuple[Kind, ...] = ("speech", "music")


def edit(
    context: typer.Context,
    recordings: Annotated[list[str], typer.Argument(help="Files, or ids of outputs, in order.")],
    start: Annotated[float, typer.Option(help="Seconds into the first recording.")] = 0.0,
    end: Annotated[float | None, typer.Option(help="Where the first recording is cut off.")] = None,
    fade_in: Annotated[float, typer.Option(help="Seconds.")] = 0.0,
    fade_out: Annotated[float, typer.Option(help="Seconds.")] = 0.0,
    gain: Annotated[float, typer.Option(help="dB.")] = 0.0,
    loudness: Annotated[float | None, typer.Option(help="LUFS (EBU R 128), such as -16.")] = None,
    mix: Annotated[bool, typer.Option("--mix", help="The second as music under the first, a voice.")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="name=value: crossfade, duck_db, given_licence …")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="speech or music; else what the first output is.")] = None,
    title: Annotated[str | None, typer.Option(help="What the result is called in the library.")] = None,
    format_: Annotated[str | None, typer.Option("--format", help="wav, mp3, flac or opus.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the sealed file.")] = Path("."),
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Edit RECORDINGS without any model; the result is sealed, scored, kept in the library and copied to OUT."""
    here: Context = context.obj
    options: dict[str, Any] = {
        "arrange": "mix" if mix else "join", "start": start, "end": end, "fade_in": fade_in,
        "fade_out": fade_out, "gain_db": gain, "loudness_lufs": loudness, **read_pairs(set_ or []),
    }  # fmt: skip
    if kind not in (None, *SOUND):
        raise NotFound(f"There is no kind {kind!r} of sound; choose one of: {', '.join(SOUND)}.")
    if mix and len(recordings) < 2:
        raise BadInput("Mixing takes two recordings: the voice, then the music.")
    with here.studio() as studio, Meter(quiet=json) as meter:
        given = [_given(studio, one) for one in recordings]
        of = next((one for one in SOUND if one == kind), given[0][1])
        brief = Brief(
            kind=of,
            prompt=title or f"Edited: {given[0][2]}",
            engine=f"edit_{of}",
            options=options,
            inputs=tuple(key for key, _, _ in given),
            format=format_,
        )
        run_brief(studio, brief, out, meter, json)


def _given(studio: Studio, word: str) -> tuple[str, Kind, str]:
    """(key for the brief, kind, what a person calls it) of a file or of an output of the library."""
    path = Path(word)
    if path.is_file():
        return studio.uploads.stage(path, "speech"), "speech", path.name
    try:
        asset = studio.library.get(word)
    except NotFound:
        raise NotFound(f"{word!r} is neither a file here nor the id of an output.") from None
    if asset.kind not in SOUND:
        raise BadInput(f"The output {asset.id[:12]} is {asset.kind}, not sound; choose another one.")
    return asset.id, asset.kind, asset.brief.prompt[:120] or asset.id[:12]
