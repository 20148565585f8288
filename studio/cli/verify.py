"""`studio verify FILE…`: what can be proved about a file, layer by layer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from studio.cli.context import Context
from studio.cli.show import report_json
from studio.errors import StorageFull
from studio.provenance.meaning import integrity, meaning, trust
from studio.provenance.text_words import chance
from studio.safety.uploads import check_script
from studio.types import Ingredient, Layer, Report

# (sign, colour of the frame); the word of the verdict always stands beside them.
SIGNS = {
    "intact": ("✓", "green"),
    "recovered": ("↺", "cyan"),
    "marked": ("◈", "cyan"),
    "labelled": ("▤", "blue"),
    "altered": ("✗", "red"),
    "nothing_found": ("–", "white"),
    "unreadable": ("!", "red"),
}


def verify(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(help='Files; "-" reads text from stdin.')],
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Folder for a printable page about each file.", file_okay=False)
    ] = None,
) -> None:
    """Tell what can and what cannot be proved about each file."""
    here: Context = context.obj
    studio = here.studio()
    console = Console(highlight=False)
    for name in files:
        given = check_script(sys.stdin.buffer.read()) if name == "-" else Path(name)
        found = studio.verify_text(given) if isinstance(given, str) else studio.verify(given)
        if report is not None:
            from studio.ui.verify_case import shown_beside
            from studio.ui.verify_view import document, file_name

            _write(report / file_name(found), document(found, shown_beside(studio, found, given)))
        if json:
            print(report_json(found), flush=True)
        elif console.is_terminal:
            console.print(_rich(found))
        else:
            print(_plain(found), flush=True)


def _write(path: Path, page: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, "utf-8")
    except OSError as error:
        raise StorageFull(
            f"The report {path} cannot be written ({error.strerror}); choose another folder with --report."
        ) from error


def _plain(found: Report) -> str:
    """Fixed columns for logs and pipes."""
    lines = [f"{_printable(found.path)}: {found.verdict}", f"  {found.statement}"]
    lines += [f"  {layer.layer:<10} {layer.state:<14} {layer.detail}" for layer in found.layers]
    lines += _branches(found.ingredients, 0)
    if found.sha256:
        lines.append(f"  sha256     {found.sha256}")
    return "\n".join(lines)


def _branches(parts: Sequence[Ingredient], depth: int) -> list[str]:
    lines = []
    for part in parts:
        lines.append(
            f"  {'made from' if not depth else '':<10} {'  ' * depth}{part.title} ({part.relation}): {part.detail}"
        )
        lines += _branches(part.parts, depth + 1)
    return lines


# --- On a terminal. Strangers' words go in as Text: Rich would read markup in plain strings -------


def _rich(found: Report) -> Group:
    sign, colour = SIGNS[found.verdict]
    head = Text.assemble(
        (f"{sign} {found.verdict.replace('_', ' ').capitalize()}\n", f"bold {colour}"), found.statement
    )
    parts: list[object] = [
        Panel(head, title=Text(_printable(found.path)), title_align="left", border_style=colour)
    ]
    twofold = Table.grid(padding=(0, 2))
    twofold.add_row(Text("Unchanged?", "bold"), Text(integrity(found)))
    twofold.add_row(Text("By whom?", "bold"), Text(trust(found)))
    parts.append(Padding(twofold, (0, 2)))
    table = Table(box=None, padding=(1, 2, 0, 0), show_header=False)
    for layer in found.layers:
        table.add_row(*_row(layer))
    parts.append(Padding(table, (0, 2)))
    if found.ingredients:
        tree = Tree(Text("Made from", "bold"))
        _grow(tree, found.ingredients)
        parts.append(Padding(tree, (1, 2, 0, 2)))
    if found.sha256:
        parts.append(Padding(Text(f"SHA-256 {found.sha256}", "dim"), (1, 2)))
    return Group(*parts)  # type: ignore[arg-type]


def _row(layer: Layer) -> tuple[Text, Text, Text]:
    told = Text(layer.detail)
    if layer.p_value is not None:
        told.append(f" Chance of this without a mark: {chance(layer.p_value)}.")
    told.append(f"\n{meaning(layer)}", "dim")
    state = Text(layer.state.replace("_", " "), "bold" if layer.found else "dim")
    return Text(layer.layer.capitalize(), "bold"), state, told


def _grow(tree: Tree, parts: Sequence[Ingredient]) -> None:
    for part in parts:
        branch = tree.add(Text.assemble((part.title, "bold"), f" ({part.relation}): {part.detail}"))
        _grow(branch, part.parts)


def _printable(path: str) -> str:
    """A name may hold what a terminal would obey."""
    return "".join(c if c.isprintable() else "�" for c in path)
