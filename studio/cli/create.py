"""`studio create KIND PROMPT…`: sealed files in a folder, the best first."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.context import Context
from studio.cli.progress import Meter
from studio.cli.show import asset_json, asset_line
from studio.companions import write_beside
from studio.errors import BadInput, NotFound
from studio.safety.uploads import check_script
from studio.service import Studio
from studio.types import KINDS, Asset, Brief, Kind


def create(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.")],
    prompt: Annotated[list[str] | None, typer.Argument(help='The brief; "-" reads it from stdin.')] = None,
    count: Annotated[int, typer.Option(help="Candidates to make; the best comes first.")] = 1,
    seed: Annotated[int | None, typer.Option(help="The same seed makes the same result.")] = None,
    template: Annotated[str | None, typer.Option(help="A template of assets/templates.")] = None,
    brand: Annotated[
        str | None, typer.Option(help="A brand whose phrases are asked for and ruled out.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="name=value: an option or a template's slot.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="Engine to use.")] = None,
    model: Annotated[str | None, typer.Option(help="Catalog model to use.")] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="File format, such as png, wav, md.")
    ] = None,
    given: Annotated[
        list[Path] | None, typer.Option("--input", help="A picture or recording to start from.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the sealed files.")] = Path("."),
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Make COUNT results from a brief; each is scored, sealed, kept in the library and copied to OUT."""
    here: Context = context.obj
    if kind not in KINDS:
        raise NotFound(f"There is no kind {kind!r}; choose one of: {', '.join(KINDS)}.")
    the_kind: Kind = kind
    with here.studio() as studio, Meter(quiet=json) as meter:
        brief = Brief(
            kind=the_kind,
            prompt=_prompt(prompt or []),
            engine=engine,
            model=model,
            options=read_pairs(set_ or []),
            seed=seed,
            count=count,
            template=template,
            brand=brand,
            inputs=tuple(studio.uploads.stage(path, the_kind) for path in given or []),
            format=format_,
        )
        run_brief(studio, brief, out, meter, json)


def run_brief(studio: Studio, brief: Brief, out: Path, meter: Meter, json: bool) -> None:
    """Make what the brief asks for, into `out`: one line or JSON object for each output, best first."""
    studio.export([], out)  # makes the folder, or says now that it cannot be written
    for event in studio.run(brief):
        if isinstance(event, Asset):
            (path,) = studio.export([event.id], out)
            write_beside(event, path)
            meter.clear()
            print(asset_json(event, path) if json else asset_line(event, path), flush=True)
        else:
            meter.show(event)


def _prompt(words: list[str]) -> str:
    if words == ["-"]:
        return check_script(sys.stdin.buffer.read())
    return " ".join(words)


def read_pairs(pairs: list[str]) -> dict[str, str]:
    options = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise BadInput(f"--set takes name=value, not {pair!r}.")
        options[name.strip()] = value
    return options
