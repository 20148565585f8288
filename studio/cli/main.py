"""The commands and what all of them share: settings, errors as one line, the exit status."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from studio import __version__
from studio.cli import bench, create, edit, evaluate, library, listen, models, publish, train, trust, verify
from studio.cli.context import Context
from studio.errors import Cancelled, StudioError

app = typer.Typer(
    help="Signet: copy, pictures, speech and music from one brief, each with a scorecard and a seal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"signet {__version__}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Folder of library, keys and uploads.")] = None,
    device: Annotated[str | None, typer.Option(help='"auto", "cpu", "mps", "cuda" or "cuda:N".')] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    context.obj = Context(home=home, device=device)


app.command()(create.create)
app.command()(listen.listen)
app.command()(edit.edit)
app.command()(verify.verify)
app.command()(evaluate.evaluate)
app.command()(train.train)
app.command()(publish.publish)
app.command()(bench.bench)
app.add_typer(models.app, name="models", help="The catalog: licences, lineage, hashes, weights.")
app.add_typer(trust.app, name="trust", help="Signers that others vouch for: the C2PA trust list.")
app.add_typer(library.app, name="library", help="What was made: list, search, replay, export.")


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to serve on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes any free one.")] = None,
) -> None:
    """Open the studio in the browser, as `python app.py` does."""
    from studio.ui.app import serve as open_page

    open_page(context.obj.settings(host=host, port=port))


def main() -> None:
    """Run a command; every StudioError becomes one line on stderr and exit status 1."""
    try:
        app()
    except Cancelled:
        sys.exit(130)
    except StudioError as error:
        print(f"signet: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        sys.stderr.close()
        sys.exit(1)
