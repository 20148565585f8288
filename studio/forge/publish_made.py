"""What runs other than those of language models leave, as files of a catalog entry: pipelines, LoRAs, tune models.

Some recipes make what no engine runs by itself: a part of another model, or a judge. `part_of` says so, and where
the part belongs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from studio.catalog import Catalog, DataSource
from studio.errors import BadInput
from studio.forge.lm_record import Lineage
from studio.forge.pictures import SOURCES
from studio.forge.release import Content, discard, stage_in
from studio.forge.runs import Run, full_options, read_run
from studio.forge.tunes import COLLECTIONS, TuneData, known_runs
from studio.settings import Settings

WORDS, STICKER, FONT = "minilm-l6-v2", "signet-sticker", "fluid-r3-mono"
WORDS_MB = 220  # what reading prompts with it, and drawing, take beside the weights in the folder
LORA = "pytorch_lora_weights.safetensors"
NOBODY_KNOWS = "LicenseRef-unknown"  # what the makers of the tunes' transcriptions have not said

PARTS: Mapping[str, str] = {
    "pretrain_autoencoder": "An autoencoder is a part of a picture model: give {result} as autoencoder to "
    "pretrain_diffusion, whose result can be published.",
    "pretrain_upscaler": "An upscaler is a part of a picture model: python -m studio.forge.publish_sticker puts "
    "{result} together with a transformer and an autoencoder.",
    "pretrain_align": "This is a judge of pictures, not a maker: python -m studio.forge.publish_align puts {result} in "
    "the place of signet-align, which the scores use.",
    "gan": "No engine of the studio draws with a GAN: it stands here to be compared with pretrain_diffusion, which can "
    "be published. Its generator is {result}, its drawings are in the run.",
    "preference": "A ranker is in use as soon as it is trained: it chooses the next pair and orders candidates. There "
    "is nothing to publish.",
}


@dataclass(frozen=True, slots=True)
class Made:
    """Files in a staged folder, what they are, and from what they were made."""

    folder: Path
    content: Content
    lineage: Lineage


def made_by(folder: Path) -> bool:
    """Whether the run in a folder is one of those that this module knows."""
    run = read_run(folder)
    return run is not None and (run.request.recipe in _WRITERS or run.request.recipe in PARTS)


def part_of(run: Run) -> str:
    """Why this run's result is no model by itself, and where it belongs; "" if it can be published."""
    return PARTS.get(run.request.recipe, "").format(result=run.status.result or run.folder)


def stage_made(folder: Path, settings: Settings, name: str) -> Made:
    """Write the files of a finished run into a hidden folder beside the catalog. Raises BadInput."""
    run = read_run(folder)
    if run is None or run.status.state != "done":
        raise BadInput(f"{folder} holds no finished training of the forge; train it to its end first.")
    write = _WRITERS.get(run.request.recipe)
    if write is None:
        raise BadInput(
            part_of(run)
            or f"What {run.request.recipe} makes is not published; its result is {run.status.result}."
        )
    catalog, staged = Catalog.read(settings), stage_in(settings.checkpoints, name)
    try:
        return write(run, staged, catalog)
    except BaseException:
        discard(staged)
        raise


# --- Pictures -------------------------------------------------------------------------------------


def _finetuned(run: Run, staged: Path, catalog: Catalog) -> Made:
    base, unlisted = _base(str(full_options(run.request)["base"]), catalog)
    source = _own_data(run)
    lineage = _lineage(run, (base,) if base else (), source, unlisted)
    if (run.folder / "lora").is_dir():
        shutil.copyfile(run.folder / "lora" / LORA, staged / LORA)
        return Made(staged, Content("image", "", _megabytes(staged)), lineage)
    return _pipeline(run.folder / "pipeline", staged, lineage, {})


def _distilled(run: Run, staged: Path, catalog: Catalog) -> Made:
    options = full_options(run.request)
    few = {"steps": options["student_steps"], "guidance_scale": 1.0}
    if (run.folder / "pipeline").is_dir():
        base, unlisted = _base(str(options["teacher"]), catalog)
        lineage = _lineage(run, (base,) if base else (), artwork(), unlisted)
        return _pipeline(run.folder / "pipeline", staged, lineage, few)
    made = _assembled(run, staged, catalog)
    shutil.copytree(run.folder / "scheduler", staged / "scheduler", dirs_exist_ok=True)
    return replace(made, content=replace(made.content, options=few))


def _assembled(run: Run, staged: Path, catalog: Catalog) -> Made:
    """A transformer with the autoencoder it was trained over and the studio's own upscaler."""
    from studio.forge.publish_sticker import publish, trained

    folders = {
        "transformer": run.folder / "transformer",
        "vae": Path(str(full_options(run.request)["autoencoder"])).expanduser(),
        "upscaler": catalog.verify(STICKER).folder / "upscaler",
    }
    publish(staged, {part: trained(part, folder).model for part, folder in folders.items()})
    lineage = _lineage(run, (STICKER,), artwork())
    return _pipeline(staged, staged, lineage, {})


def _pipeline(folder: Path, staged: Path, lineage: Lineage, options: Mapping[str, Any]) -> Made:
    if folder != staged:
        shutil.copytree(folder, staged, dirs_exist_ok=True)
    kept = (".safetensors", ".json", ".txt", ".model")
    for path in [path for path in staged.rglob("*") if path.is_file() and path.suffix not in kept]:
        path.unlink()
    index, needs = json.loads((staged / "model_index.json").read_text("utf-8")), _megabytes(staged)
    if index["_class_name"] == "SignetStickerPipeline":  # which reads prompts with a model of its own folder
        lineage = replace(lineage, base=tuple(dict.fromkeys((*lineage.base, WORDS))))
        needs += WORDS_MB
    content = Content("image", "image_diffusers", needs, languages=("en",), options=options)
    return Made(staged, content, lineage)


# --- Melodies -------------------------------------------------------------------------------------


def _tune(run: Run, staged: Path, catalog: Catalog) -> Made:
    from safetensors.numpy import save_file

    for file in ("config.json", "model.safetensors"):
        shutil.copyfile(run.folder / "tune" / file, staged / file)
    known = known_runs(TuneData(Path(run.request.data)).tunes("train", "valid", "test"))
    save_file({"runs": known}, staged / "known-runs.safetensors")
    data = tuple(DataSource(one.title, NOBODY_KNOWS, one.url) for one in COLLECTIONS)
    content = Content("music", "music_tune", 300 + _megabytes(staged), languages=("en", "zh"))
    return Made(staged, content, _lineage(run, (FONT,), data))


_WRITERS: dict[str, Callable[[Run, Path, Catalog], Made]] = {
    "finetune_diffusion": _finetuned,
    "distil": _distilled,
    "pretrain_diffusion": _assembled,
    "pretrain_tune": _tune,
}


# --- From what it was made --------------------------------------------------------------------------


def _lineage(run: Run, base: tuple[str, ...], data: tuple[DataSource, ...], unlisted: str = "") -> Lineage:
    step = {
        "recipe": run.request.recipe,
        "options": full_options(run.request),
        "data": _digest(Path(run.request.data)),
        "report": run.report(),
    }
    return Lineage(base, data, (step,), unlisted)


def _base(named: str, catalog: Catalog) -> tuple[str, str]:
    """(catalog name, "") of a base, or ("", how it is called) if it is in no catalog."""
    if named in catalog.names:
        return named, ""
    folder = Path(named).expanduser().resolve()
    inside = next((one.name for one in catalog if one.folder.resolve() == folder), "")
    return inside, "" if inside else folder.name


def _own_data(run: Run) -> tuple[DataSource, ...]:
    """What a person has handed in, with the licence that stands beside it or none."""
    from studio.forge.data import inspect_data

    data = Path(run.request.data)
    return (inspect_data(data).source or DataSource(data.name, ""),)


def artwork() -> tuple[DataSource, ...]:
    """What the picture models from scratch have learnt from."""
    return tuple(DataSource(f"{one.package} {one.version}", one.licence, one.url) for one in SOURCES)


def _digest(data: Path) -> str:
    """SHA-256 over the lists of what was learnt from."""
    files = (
        [data]
        if data.is_file()
        else sorted(path for path in data.iterdir() if path.suffix in (".json", ".jsonl", ".txt"))
    )
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
    return total.hexdigest()


def _megabytes(folder: Path) -> int:
    """What the weights in a folder take in memory as 32-bit numbers; they are kept in 16 bits."""
    return 2 * sum(path.stat().st_size for path in folder.rglob("*.safetensors")) // 2**20 + 1
