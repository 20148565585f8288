"""`studio library …`: history on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.context import Context
from studio.cli.show import asset_json, asset_line
from studio.types import Asset

app = typer.Typer(no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]


def _print(assets: list[Asset], json: bool) -> None:
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
) -> None:
    """Copy sealed files out, byte for byte."""
    here: Context = context.obj
    for path in here.studio().export(assets, to):
        print(path)


@app.command()
def delete(context: typer.Context, assets: list[str]) -> None:
    """Remove assets, file and record."""
    here: Context = context.obj
    library = here.studio().library
    for asset in assets:
        library.delete(library.get(asset).id)
