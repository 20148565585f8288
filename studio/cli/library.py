"""`studio library …`: history on the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.context import Context
from studio.cli.show import asset_json, asset_line
from studio.companions import write_beside
from studio.errors import NotFound
from studio.library.votes import CHOICES, Choice
from studio.service import LOCAL
from studio.types import KINDS, Asset, Kind

app = typer.Typer(no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]


def _print(assets: list[Asset], json: bool) -> None:
    if not assets and not json:
        print("Nothing found.", file=sys.stderr)
    for asset in assets:
        print(
            asset_json(asset)
            if json
            else f"{asset.id[:12]}  {asset.created_at:%Y-%m-%d %H:%M}  {asset_line(asset)}"
        )


@app.command("list")
def list_(
    context: typer.Context,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """The newest assets."""
    here: Context = context.obj
    _print(here.studio().library.search(kind=kind, limit=limit), json)


@app.command()
def search(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(help="Words of prompt, text, notes or model.")],
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """Assets that contain all the words, newest first."""
    here: Context = context.obj
    _print(here.studio().library.search(" ".join(words), kind=kind, limit=limit), json)


@app.command()
def show(context: typer.Context, asset: str) -> None:
    """One asset with its scores, licence and credential, as JSON; ASSET may be a unique beginning."""
    here: Context = context.obj
    print(asset_json(here.studio().library.get(asset)))


@app.command()
def replay(context: typer.Context, asset: str) -> None:
    """Make an asset again: bit-identical, close (how close), or different (why)."""
    here: Context = context.obj
    with here.studio() as studio:
        result = studio.replay(asset)
    print(f"{result.likeness.outcome}: {result.likeness.detail}")


@app.command()
def export(
    context: typer.Context,
    assets: Annotated[list[str], typer.Argument(help="Ids, or unique beginnings of them.")],
    to: Annotated[Path, typer.Option(help="Folder for the sealed copies.")],
    notice: Annotated[
        bool, typer.Option("--notice", help="Add NOTICE.txt: credits, licences, obligations, sources.")
    ] = False,
) -> None:
    """Copy sealed files out, byte for byte."""
    here: Context = context.obj
    studio = here.studio()
    paths = studio.export(assets, to, with_notice=notice)
    beside = [write_beside(studio.library.get(one), path) for one, path in zip(assets, paths, strict=False)]
    for path in (*paths, *(path for more in beside for path in more)):
        print(path)


@app.command()
def rate(
    context: typer.Context,
    asset: str,
    stars: Annotated[int, typer.Argument(min=0, max=5, help="1 to 5; 0 takes the rating away.")],
) -> None:
    """Give an asset stars; they count in the ranking and for the forge."""
    here: Context = context.obj
    library = here.studio().library
    _print([library.rate(library.get(asset).id, stars)], json=False)


@app.command()
def vote(
    context: typer.Context,
    first: str,
    second: str,
    choice: Annotated[str, typer.Argument(help=f"Which is better: {', '.join(CHOICES)}.")],
) -> None:
    """Say which of two results of one brief is better."""
    here: Context = context.obj
    if choice not in CHOICES:
        raise NotFound(f"There is no choice {choice!r}; choose one of: {', '.join(CHOICES)}.")
    the_choice: Choice = choice
    here.studio().judging.vote(first, second, the_choice, LOCAL)


@app.command()
def ranking(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.")],
) -> None:
    """How people rank the models, by votes and stars: the chance to be preferred to an average model."""
    here: Context = context.obj
    if kind not in KINDS:
        raise NotFound(f"There is no kind {kind!r}; choose one of: {', '.join(KINDS)}.")
    the_kind: Kind = kind
    people = here.studio().judging.people(the_kind)
    for place in people.places:
        low, high = (100 * end for end in place.interval)
        print(f"{place.name:<24} {100 * place.chance:>4.0f} %  [{low:.0f}, {high:.0f}]  {place.n} choices")
    if people.withheld:
        print(f"withheld: {people.withheld}")


@app.command()
def delete(context: typer.Context, assets: list[str]) -> None:
    """Remove assets, file and record."""
    here: Context = context.obj
    library = here.studio().library
    for asset in assets:
        library.delete(library.get(asset).id)
