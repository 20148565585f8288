"""`studio trust …`: whom others vouch for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.context import Context
from studio.provenance.trust import from_file, refresh, trust_list

app = typer.Typer(no_args_is_help=True)


@app.command()
def show(context: typer.Context) -> None:
    """Which trust list is in force, and the authorities on it."""
    from cryptography import x509

    here: Context = context.obj
    listed = trust_list(here.settings())
    print(listed.told)
    for one in x509.load_pem_x509_certificates(listed.pem.encode()):
        name = "".join(c if c.isprintable() else "�" for c in one.subject.rfc4514_string())
        print(f"  until {one.not_valid_after_utc:%Y-%m-%d}  {name}")


@app.command(name="refresh")
def refresh_(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Option(help="A list that was fetched already, for machines without a network.")
    ] = None,
) -> None:
    """Fetch the current C2PA trust list from its publisher; it counts from now on."""
    here: Context = context.obj
    print(refresh(here.settings(), from_file(file) if file else None).told)
