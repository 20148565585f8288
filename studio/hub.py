"""Pulling from a model hub: one revision, only files that cannot carry code, then the lock.

Nothing here runs unless the operator allows it (setting `hub`). Weights are never loaded by this code.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from studio.catalog import Model, ModelFile, sha256_of
from studio.catalog_file import is_safe_path, write_lock
from studio.errors import BadInput, ModelBroken, ModelMissing
from studio.fetch import fetch_hub
from studio.formats import check_weights
from studio.settings import Settings

INDEX = "model_index.json"  # which names a pipeline's class and its parts
# Formats without code. Pickles (.bin, .pt, .ckpt) and Python files are never asked for.
ALLOWED = (".safetensors", ".gguf", ".onnx", ".json", ".txt", ".jinja")


def pull_hub(
    model: Model, settings: Settings, cache: Path, report: Callable[[str, float, str], None]
) -> None:
    """Fetch the model's files at its revision into `cache`, prove them, move them into its folder.

    An entry that is not pinned gets its `lock.json`: the commit that was pulled and every file's hash.
    A model that has a lock is pulled again at the commit recorded there.
    """
    if not settings.hub:
        raise BadInput(
            f"{model.title} comes from a model hub; allow that with SIGNET_HUB=yes and pull again."
        )
    repo = model.source["repo"]
    commit, sizes = _look_up(model, repo)
    if not sizes:
        raise ModelBroken(f"{model.title} holds no files in a safe format at {repo}; it cannot be pulled.")
    if model.engine == "image_diffusers" and INDEX not in sizes:
        raise ModelBroken(
            f"{repo} holds no pipeline of diffusers, for it has no {INDEX}; choose a repository that has one."
        )
    total, megabytes = max(1, sum(sizes.values())), sum(sizes.values()) // 2**20
    cache.mkdir(parents=True, exist_ok=True)

    def tick(done: int) -> None:
        report(model.name, min(0.9, 0.9 * done / total), f"Fetching {len(sizes)} files, {megabytes} MB")

    fetch_hub(repo, commit, sorted(sizes), cache, tick)
    _move(model, commit, sorted(sizes), cache)
    shutil.rmtree(cache, ignore_errors=True)


def _look_up(model: Model, repo: str) -> tuple[str, dict[str, int]]:
    """The commit that the model's revision names, and the wanted files with their sizes."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled

    try:
        info = HfApi(endpoint=os.environ.get("HF_ENDPOINT")).model_info(
            repo, revision=model.revision, files_metadata=True
        )
    except OfflineModeIsEnabled:
        raise ModelMissing(
            f"{model.title} cannot be fetched while HF_HUB_OFFLINE is set; unset it and pull again."
        ) from None
    except GatedRepoError:
        raise ModelMissing(
            f"{model.title} is open only to people who accepted its terms; accept them on the page of {repo}, "
            "set HF_TOKEN and pull again."
        ) from None
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelMissing(
            f"{model.title} cannot be fetched from {repo} ({reason}); pull again later."
        ) from None
    files = [f for f in info.siblings or [] if _wanted(f.rfilename, model)]
    return str(info.sha), {f.rfilename: f.size or 0 for f in files}


def _wanted(name: str, model: Model) -> bool:
    patterns = model.source["include"]
    return (
        name.endswith(ALLOWED) and is_safe_path(name) and any(fnmatch(name, pattern) for pattern in patterns)
    )


def _move(model: Model, commit: str, names: list[str], cache: Path) -> None:
    """Prove all files first: a model stands in its folder whole or not at all."""
    files = []
    known = {file.path: file for file in model.files}
    for name in names:
        check_weights(cache / name)
        file = ModelFile(name, (cache / name).stat().st_size, sha256_of(cache / name))
        if known and (name not in known or known[name].sha256 != file.sha256):
            raise ModelBroken(
                f"{model.title} was not taken: {name} is not the file recorded for it at {commit[:12]}."
            )
        files.append(file)
    for name in names:
        target = model.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.stat(cache).st_dev == os.stat(target.parent).st_dev:
            os.replace(cache / name, target)
        else:
            part = target.with_name(f".{target.name}.part")
            shutil.copyfile(cache / name, part)
            os.replace(part, target)
    if not model.pinned:
        write_lock(model, commit, tuple(files))
