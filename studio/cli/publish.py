"""`studio publish RUN --name NAME`: what the forge trained becomes a model of the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.context import Context
from studio.publish import Wish
from studio.publish import publish as publish_run


def publish(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Folder of a finished training.")],
    name: Annotated[str, typer.Option(help="Name in the catalog: small letters, digits, '.', '_', '-'.")],
    title: Annotated[str, typer.Option(help="Title shown to people.")] = "",
    summary: Annotated[str, typer.Option(help="One sentence on what it is for.")] = "",
    data_licence: Annotated[str, typer.Option(help="Licence of training data that came without one.")] = "",
    data_url: Annotated[str, typer.Option(help="Where that licence can be read.")] = "",
    base_licence: Annotated[str, typer.Option(help="Licence of a base model that is in no catalog.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of a model trained from nothing.")] = "",
    attribution: Annotated[str, typer.Option(help="Whom to name.")] = "",
    four_bits: Annotated[
        bool, typer.Option(help="A language model also as the smaller file, which takes most of the time.")
    ] = True,
) -> None:
    """Write the engine's files, compute the licence, prove them in that engine, and enter them into the catalog."""
    here: Context = context.obj
    wish = Wish(
        name, title, summary, data_licence, data_url, base_licence, licence, attribution, four_bits=four_bits
    )
    model = publish_run(here.settings(), run, wish)
    print(f"{model.name} ({model.licence}, commercial use: {model.commercial}) lies in {model.folder}")
    if model.engine:
        print(f'Try it: python -m studio create {model.kind} "…" --model {model.name}')
    else:
        print(f"Use it with its base: --set lora={model.name}")
