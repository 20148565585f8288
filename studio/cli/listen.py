"""`studio listen FILE…`: what is said in recordings, as text or captions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.context import Context
from studio.cli.create import run_brief
from studio.cli.progress import Meter
from studio.types import Brief


def listen(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Recordings: WAV, FLAC, MP3 or Ogg.")],
    format_: Annotated[str, typer.Option("--format", help="txt, md, html, srt or vtt.")] = "txt",
    language: Annotated[str, typer.Option(help="Two letters, such as en or zh; empty finds it out.")] = "",
    translate: Annotated[bool, typer.Option(help="Write English whatever is spoken.")] = False,
    script: Annotated[
        Path | None, typer.Option(help="A text file with the words: only their times are looked for.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the sealed files.")] = Path("."),
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Write down what is said in FILES; each text is sealed, kept in the library and copied to OUT."""
    from studio.safety.uploads import check_script

    here: Context = context.obj
    options = {"language": language, "translate": translate}
    if script is not None:
        options["script"] = check_script(script)
    with here.studio() as studio, Meter(quiet=json) as meter:
        for file in files:
            brief = Brief(
                kind="text",
                prompt=file.name,
                engine="listen_whisper",
                options=options,
                inputs=(studio.uploads.stage(file, "text"),),
                format=format_,
            )
            run_brief(studio, brief, out, meter, json)
