"""Nouns that library tests fill in where they do not matter, and a disk that fills up."""

from __future__ import annotations

import resource
import uuid
from datetime import UTC, datetime
from typing import Any

from studio.types import Brief, Credential, Job, LicenceNote, ModelUse, Score, Scorecard

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LICENCE = LicenceNote("Apache-2.0", "Made with SmolLM2 (Apache-2.0).", "yes", ("smollm2",))


def brief(prompt: str = "a red teapot", **more: Any) -> Brief:
    return Brief(**{"kind": "text", "prompt": prompt, "seed": 7, "options": {"temperature": 0.5}} | more)


def job(asked: Brief | None = None, owner: str = "ann", job_id: str = "") -> Job:
    return Job(job_id or uuid.uuid4().hex, asked or brief(), owner, "running", NOW)


def model(name: str = "smollm2-135m") -> ModelUse:
    return ModelUse(name, "rev1", "text_llama", 7, "cpu", "q8_0", 0.5, {"temperature": 0.5})


def credential(produce_id: str = "") -> Credential:
    layers = ("credential", "labels")
    return Credential(produce_id or uuid.uuid4().hex, LICENCE, layers, None, "ab" * 32, "Local CA", NOW)


def scorecard() -> Scorecard:
    score = Score("loudness", -16.0, "LUFS", "neither", "speech", interval=(-17.0, -15.0))
    return Scorecard((score,), {"fid": "needs N ≥ 1000"})


class limit_on_files:  # noqa: N801 - reads as a phrase
    """No file of this process may grow beyond `size` bytes: the disk is as good as full."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __enter__(self) -> None:
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)
