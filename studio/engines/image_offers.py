"""What a model's pipeline offers, so that nobody is shown a choice that it does not have.

    offers(model).has("negative_prompt")

Read from the folder's JSON and from the source text of the pipeline's class: neither torch nor diffusers is
imported, so the page may ask. A class that is not found offers text to picture alone.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from studio.catalog import Model
from studio.engines.image_options import SCHEDULERS
from studio.engines.image_pipeline import LOCAL_PIPELINES

USUAL_SIDE = 1024
# Options of the engine that need an argument of another name in the pipeline's call.
_ARGUMENTS = {"steps": "num_inference_steps", "previews": "callback_on_step_end"}
_TASKS = {"strength": ("image", "inpaint"), "control": ("control",), "control_scale": ("control",)}


@dataclass(frozen=True, slots=True)
class Offers:
    """`tasks` of "text", "image", "inpaint", "control"; `arguments` of the call with their defaults;
    `side` the length in pixels of the square the model draws by itself; `styles` its own ones."""

    tasks: frozenset[str]
    arguments: dict[str, Any]
    side: int
    styles: tuple[str, ...] = ()
    schedulers: tuple[str, ...] = ("own",)
    lora: bool = False
    blends: bool = False

    def has(self, option: str) -> bool:
        """Whether the option of `ImageOptions` means anything to this pipeline."""
        if option in _TASKS:
            return bool(self.tasks.intersection(_TASKS[option]))
        if option in ("lora", "lora_scale"):
            return self.lora
        if option in ("to_prompt", "frames"):
            return self.blends
        if option == "scheduler":
            return len(self.schedulers) > 1
        return _ARGUMENTS.get(option, option) in self.arguments


def offers(model: Model) -> Offers:
    """Of a model of the diffusers engine, be its weights here or not yet."""
    index = _json(model.folder / "model_index.json")
    found = _offers(str(index.get("_class_name", "")), str(model.folder), _scheduler(index))
    own = {_ARGUMENTS.get(name, name): value for name, value in model.options.items()}
    return replace(found, arguments=found.arguments | {k: v for k, v in own.items() if k in found.arguments})


@lru_cache(maxsize=64)
def _offers(name: str, folder: str, scheduler: str) -> Offers:
    source = _source(name)
    if source is None:
        return Offers(frozenset({"text"}), {"prompt": None, "num_inference_steps": None}, USUAL_SIDE)
    tree = ast.parse(source.read_text("utf-8"))
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    arguments = _arguments(_method(found, "__call__"))
    constants = _constants(tree)
    tasks = {"text"} | ({"image"} if "image" in arguments else set())
    tasks |= {"inpaint"} if "mask_image" in arguments else set()
    if name not in LOCAL_PIPELINES:
        tasks |= _family_tasks(name)
    side = constants.get("SIDE") if name in LOCAL_PIPELINES else _side(Path(folder))
    styles = constants.get("STYLES", ()) if "style" in arguments else ()
    return Offers(
        frozenset(tasks), arguments, side if isinstance(side, int) else USUAL_SIDE, tuple(styles),
        ("own", *(key for key, cls in SCHEDULERS.items() if _exchangeable(scheduler, cls))),
        lora=any("LoraLoaderMixin" in ast.unparse(base) for base in found.bases),
        blends=_method(found, "encode_prompt") is not None,
    )  # fmt: skip


# --- Reading source text ------------------------------------------------------------------------


def _diffusers() -> Path | None:
    spec = find_spec("diffusers")
    return Path(spec.origin).parent if spec and spec.origin else None


@lru_cache(maxsize=64)
def _source(name: str) -> Path | None:
    """The file that defines the pipeline class `name`."""
    if name in LOCAL_PIPELINES:
        module = LOCAL_PIPELINES[name].partition(":")[0]
        return Path(__file__).resolve().parents[2].joinpath(*module.split(".")).with_suffix(".py")
    root = _diffusers()
    if root is None or not name.isidentifier():
        return None
    wanted = f"\nclass {name}("
    files = sorted((root / "pipelines").rglob("*.py"))
    return next((file for file in files if wanted in file.read_text("utf-8")), None)


def _method(found: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((one for one in found.body if isinstance(one, ast.FunctionDef) and one.name == name), None)


def _arguments(call: ast.FunctionDef | None) -> dict[str, Any]:
    """Names and defaults of the call's arguments; a default that is no plain value is None."""
    if call is None:
        return {}
    names = [one.arg for one in call.args.args if one.arg != "self"]
    defaults = [_value(one) for one in call.args.defaults]
    return dict(zip(names, [None] * (len(names) - len(defaults)) + defaults, strict=True))


def _constants(tree: ast.Module) -> dict[str, Any]:
    return {
        target.id: _value(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


def _family_tasks(name: str) -> set[str]:
    """What diffusers' own table of families has beside the class `name`."""
    tables = _families()
    family = next((key for table in tables.values() for key, cls in table.items() if cls == name), None)
    if family is None:
        return set()
    found = {task for task in ("image", "inpaint") if family in tables[task]}
    return found | ({"control"} if f"{family}-controlnet" in tables["text"] else set())


@lru_cache(maxsize=1)
def _families() -> dict[str, dict[str, str]]:
    """{"text" | "image" | "inpaint": {family: class name}} of diffusers' auto pipelines."""
    root = _diffusers()
    names = {
        "AUTO_TEXT2IMAGE_PIPELINES_MAPPING": "text",
        "AUTO_IMAGE2IMAGE_PIPELINES_MAPPING": "image",
        "AUTO_INPAINT_PIPELINES_MAPPING": "inpaint",
    }
    tables: dict[str, dict[str, str]] = {task: {} for task in names.values()}
    if root is None:
        return tables
    for node in ast.parse((root / "pipelines" / "auto_pipeline.py").read_text("utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id in names and isinstance(node, ast.Assign):
            pairs = [one for one in ast.walk(node.value) if isinstance(one, ast.Tuple) and len(one.elts) == 2]
            tables[names[target.id]] = {str(_value(a)): ast.unparse(b) for a, b in (p.elts for p in pairs)}
    return tables


@lru_cache(maxsize=64)
def _exchangeable(own: str, other: str) -> bool:
    """Whether both schedulers belong to the large family whose members stand in for each other."""
    root = _diffusers()
    if root is None or own == other:
        return own == other

    def of_the_family(name: str) -> bool:
        for file in (root / "schedulers").glob("scheduling_*.py"):
            text = file.read_text("utf-8")
            if f"\nclass {name}(" in text:
                return "    _compatibles = [e.name for e in KarrasDiffusionSchedulers]" in text
        return False

    return of_the_family(own) and of_the_family(other)


# --- Reading the folder -------------------------------------------------------------------------


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _scheduler(index: dict[str, Any]) -> str:
    entry = index.get("scheduler")
    return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 else ""


def _side(folder: Path) -> int:
    """Pixels of a side: the net's own size in latents times what the decoder enlarges."""
    net = _json(folder / "unet" / "config.json") or _json(folder / "transformer" / "config.json")
    latents = net.get("sample_size")
    if not isinstance(latents, int) or latents < 1:
        return USUAL_SIDE
    vae = _json(folder / "vae" / "config.json")
    blocks = vae.get("encoder_block_out_channels") or vae.get("block_out_channels")
    return latents * 2 ** (len(blocks) - 1) if isinstance(blocks, list) else latents * 8
