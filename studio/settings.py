"""Frozen settings: defaults, then `signet.toml` in the home folder, then `SIGNET_*` variables.

Every field is a setting; its comment is its documentation (docs/operating.md lists them all, and a
test keeps the two equal).
"""

from __future__ import annotations

import os
import re
import tomllib
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import platformdirs

from studio.errors import BadInput

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Settings:
    # Folder of library, keys and uploads.
    home: Path
    # Folder of catalog.toml and the weights.
    checkpoints: Path = ROOT / "checkpoints"
    # Folder of templates, policies and other data.
    assets: Path = ROOT / "assets"
    # SQLAlchemy URL of the library; empty means SQLite in `home`.
    database_url: str = ""
    # Address the page is served on.
    host: str = "127.0.0.1"
    # Port of the page; 0 takes any free one.
    port: int = 7860
    # "auto", "cpu", "mps", "cuda" or "cuda:N".
    device: str = "auto"
    # Models resident at once, in megabytes; the least recently used leaves first.
    memory_budget_mb: int = 900
    # Threads for one model; 0 takes what the machine has.
    threads: int = 0
    # Largest upload in megabytes.
    max_upload_mb: int = 64
    # Largest picture taken in, in megapixels.
    max_megapixels: int = 40
    # Longest prompt or script in characters.
    max_prompt_chars: int = 20_000
    # Photographic pictures rated this unsafe for work (0 to 1) are held back; 1 looks at none.
    nsfw_threshold: float = 0.8
    # Most candidates of one brief.
    max_count: int = 16
    # Jobs one owner may have waiting.
    max_waiting: int = 200
    # Write the prompt itself into the file; otherwise only its SHA-256.
    prompt_in_file: bool = False
    # Name written as producer into labels and credentials.
    producer: str = "Signet Studio"
    # Policy of labels and marks: a file in assets/policies without its ending.
    policy: str = "eu"
    # Say in every credential that the output must not be used for training (cawg.training-mining).
    no_training: bool = False
    # Certificate chain of the operator (PEM, leaf first); empty makes a local one.
    signing_chain: str = ""
    # Private key that belongs to it (PEM, EC P-256, mode 0600).
    signing_key: str = ""
    # RFC 3161 time-stamp authority; empty signs without a time-stamp.
    timestamp_url: str = ""
    # Let engines fetch models from a hub.
    hub: bool = False
    # Offer the weightless test engines in the page.
    test_engines: bool = False
    # Days that uploads and exports are kept.
    keep_temporary_days: int = 2

    @property
    def library_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'library.db'}"

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ, **overrides: Any) -> Settings:
        """Settings of this process. Raises BadInput for an unknown name or a value of another type."""
        home = (
            Path(
                overrides.pop("home", None)
                or environ.get("SIGNET_HOME")
                or platformdirs.user_data_dir("signet")
            )
            .expanduser()
            .resolve()
        )
        given: dict[str, Any] = _from_file(home / "signet.toml")
        given |= {
            key.removeprefix("SIGNET_").lower(): value
            for key, value in environ.items()
            if key.startswith("SIGNET_") and key != "SIGNET_HOME"
        }
        given |= {key: value for key, value in overrides.items() if value is not None}
        hints = get_type_hints(cls)
        known = {f.name for f in fields(cls)} - {"home"}
        unknown = sorted(set(given) - known)
        if unknown:
            raise BadInput(f"Unknown setting {', '.join(unknown)}; valid: {', '.join(sorted(known))}.")
        settings = cls(home=home, **{name: _read(name, hints[name], value) for name, value in given.items()})
        for device in settings.device.split(","):
            if not _DEVICE.fullmatch(device.strip()):
                raise BadInput(f"There is no device {device!r}; choose one of: auto, cpu, mps, cuda, cuda:N.")
        if not 0 <= settings.port <= 65_535:
            raise BadInput(f"The port must be between 0 and 65535, not {settings.port}.")
        return settings


def _from_file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"The settings file {path} cannot be read: {error}.") from error


def _read(name: str, hint: Any, value: Any) -> Any:
    kind = get_args(hint)[0] if isinstance(hint, types.UnionType) else hint
    try:
        if kind is bool and isinstance(value, str):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
                value.lower()
            ]
        return Path(value).expanduser() if kind is Path else kind(value)
    except (KeyError, TypeError, ValueError):
        raise BadInput(f"Setting {name} must be of type {kind.__name__}, not {value!r}.") from None
