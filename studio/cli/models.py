"""`studio models …`: the catalog, its licences, lineage and hashes, and the weights themselves."""

from __future__ import annotations

import json as json_module
import sys
from typing import Annotated, Any

import typer

from studio.catalog import Catalog, Model
from studio.cli.context import Context
from studio.cli.progress import Meter
from studio.errors import BadInput, ModelBroken, ModelMissing, ToolMissing
from studio.weights import pull as pull_model

app = typer.Typer(no_args_is_help=True)


def _catalog(context: typer.Context) -> Catalog:
    here: Context = context.obj
    return Catalog.read(here.settings())


@app.command("list")
def list_(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with data lineage.")] = False,
) -> None:
    """Every model: whether it is here, what it may be used for, what it was made from."""
    catalog = _catalog(context)
    for model in catalog:
        ready = catalog.ready(model.name)
        if json:
            print(json_module.dumps(_facts(model, ready), ensure_ascii=False))
            continue
        pin = "" if model.pinned else "  not pinned; the revision pulled is recorded in lock.json"
        print(
            f"{'ready ' if ready else 'absent'}  {model.name:<28} {model.kind:<10} {model.licence:<28} commercial: {model.commercial}{pin}"
        )
        print(f"        {model.title}. {model.summary}")


def _facts(model: Model, ready: bool) -> dict[str, Any]:
    return {
        "name": model.name,
        "kind": model.kind,
        "engine": model.engine,
        "title": model.title,
        "ready": ready,
        "revision": model.revision,
        "pinned": model.pinned,
        "licence": {"id": model.licence, "url": model.licence_url, "commercial": model.commercial},
        "data": [{"name": one.name, "licence": one.licence, "url": one.url} for one in model.data],
        "base": list(model.base),
        "memory_mb": model.memory_mb,
        "files": [{"path": one.path, "size": one.size, "sha256": one.sha256} for one in model.files],
    }


@app.command()
def pull(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Models to fetch.")] = None,
    default: Annotated[bool, typer.Option("--default", help="What the studio needs at first.")] = False,
) -> None:
    """Fetch weights: hash-checked, resumable, nothing half-written stays."""
    catalog = _catalog(context)
    wanted = [*(names or []), *(model.name for model in catalog if default and model.setup)]
    if not wanted:
        raise BadInput("Name a model (see: models list), or use --default.")
    with Meter() as meter:
        for name in dict.fromkeys(wanted):
            if default and name not in (names or []) and catalog.ready(name):
                continue
            try:
                pull_model(
                    catalog,
                    name,
                    lambda model, fraction, words: meter.tell(fraction, f"{model}: {words}", model),
                )
            except ToolMissing as missing:
                if name in (names or []):
                    raise
                meter.clear()  # the studio opens without it, and its tab says the same
                print(f"Left out for now: {missing}", file=sys.stderr)
                continue
            meter.clear()
            print(f"{name} is ready")


@app.command()
def verify(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(help="Models to check; all that are here without.")
    ] = None,
) -> None:
    """Read every byte of the weights and compare with the catalog."""
    catalog = _catalog(context)
    broken = 0
    for name in names or [model.name for model in catalog if catalog.ready(model.name)]:
        try:
            catalog.verify(name)
            print(f"intact  {name}")
        except (ModelMissing, ModelBroken) as error:
            broken += 1
            print(f"BROKEN  {name}: {error}")
    if broken:
        raise ModelBroken(f"{broken} of the models did not verify.")
