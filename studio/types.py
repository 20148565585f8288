"""The nouns every room shares. Standard library only, so that any process can import them cheaply.

What is *not* here: how a thing is stored (library), shown (ui) or made (engines).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

Kind = Literal["text", "image", "speech", "music", "video"]
KINDS: tuple[Kind, ...] = get_args(Kind)

State = Literal["queued", "running", "done", "failed", "cancelled"]
FINAL: frozenset[State] = frozenset({"done", "failed", "cancelled"})

Commercial = Literal["yes", "no", "unknown"]
Better = Literal["higher", "lower", "neither"]

# --- What is asked ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Brief:
    """What a person asks for.

    `model` names a catalog entry and `engine` a registered engine; either may be left out, then the
    default of the kind is taken. `options` are the engine's own (see its `Options`). `inputs` are
    library ids or staged upload ids that the result is derived from. `format` is the file format
    wanted ("txt", "png", "wav", …); None takes the kind's default. `seed` None draws a fresh one.
    """

    kind: Kind
    prompt: str
    engine: str | None = None
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    count: int = 1
    template: str | None = None
    brand: str | None = None
    licence_wish: str | None = None
    author: str | None = None
    inputs: tuple[str, ...] = ()
    format: str | None = None


# --- The life of a request ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Job:
    """A brief on its way: the only noun with a life. Every state but `running` survives a restart.

    Engines look at `cancelled` at every step and return early when it is true. `token_mark` is the
    text watermark that a language engine's sampler applies while choosing tokens; None applies none.
    """

    id: str
    brief: Brief
    owner: str
    state: State
    created_at: datetime
    position: float = 0.0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempts: int = 0
    error: str | None = None
    flag: threading.Event | None = field(default=None, compare=False, repr=False)
    token_mark: Any = field(default=None, compare=False, repr=False)

    @property
    def cancelled(self) -> bool:
        return self.state == "cancelled" or (self.flag is not None and self.flag.is_set())

    def with_state(self, state: State) -> Job:
        return replace(self, state=state)


@dataclass(frozen=True, slots=True)
class Progress:
    """One word on the way. `fraction` is 0–1 of the whole job, or None while it cannot be known.

    `preview` is what can be shown already: the text so far (str), a small JPEG (bytes) or the next
    playable stretch of sound as WAV (bytes). `candidate` says which of `brief.count` it belongs to.
    """

    job_id: str
    fraction: float | None
    stage: str
    message: str = ""
    preview: str | bytes | None = None
    candidate: int = 0


# --- What engines hand over ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sound:
    """Audio in memory: `samples` is a float32 array (frames, channels) in −1…1 at `sample_rate` Hz."""

    samples: Any
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Draft:
    """One result in memory; it never leaves the worker.

    `payload` by kind: text → str; image → uint8 array (height, width, 3 or 4), sRGB, or a list of them for a film;
    speech, music → `Sound`; video → `Path` of a finished MP4 in a temporary folder.
    `settings` are the options really used, after defaults, so that a replay can repeat them.
    `facts` are numbers that only the engine knows (tokens, perplexity, seconds to first token).
    `edits` are the C2PA actions ("c2pa.trimmed") that were done to the inputs by an engine that is no trained
    model; empty for whatever a model made.
    """

    kind: Kind
    payload: Any
    model_id: str
    revision: str
    seed: int
    device: str
    dtype: str
    seconds: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)
    edits: tuple[str, ...] = ()


# --- How good it is -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Score:
    """One measured number and everything needed to read it.

    `percentile` (0–100) is the place within the named `reference` set; `interval` a 95 % interval.
    `domain` says for which inputs the number means anything; `model` and `version` what computed it.
    `detail` names what to look at ("missing: “20 hours”"), where there is something to name.
    """

    name: str
    value: float
    unit: str
    better: Better
    domain: str
    model: str = "none"
    version: str = "1"
    percentile: float | None = None
    reference: str | None = None
    interval: tuple[float, float] | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The scores of one output; what does not apply stands in `withheld` with its reason."""

    scores: tuple[Score, ...] = ()
    withheld: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> Score | None:
        return next((score for score in self.scores if score.name == name), None)


# --- Where it comes from ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LicenceNote:
    """The licence of one output: `note` is the very sentence shown in UI, file and credential."""

    id: str
    note: str
    commercial: Commercial
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Credential:
    """What was sealed into the file. `layers` names them ("credential", "labels", "watermark").

    `produce_id` (32 hex characters) names this output inside labels and marks, since `Asset.id`, the
    digest of the final bytes, cannot stand in the bytes it digests. `manifest_digest` is the SHA-256
    of the signed manifest store; `mark_payload` what an imperceptible mark carries: the first hex digits
    of `produce_id`, "" for a mark that tells its presence only (text), None where there is no mark;
    `unmarked` then says why. `source` is the IPTC term of its origin ("trainedAlgorithmicMedia"); "" in older records.
    """

    produce_id: str

    licence: LicenceNote
    layers: tuple[str, ...]
    mark_payload: str | None
    manifest_digest: str
    signer: str
    signed_at: datetime
    unmarked: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class ModelUse:
    """Which model made an output, and how: enough to make it again."""

    id: str
    revision: str
    engine: str
    seed: int
    device: str
    dtype: str
    seconds: float
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asset:
    """A finished, sealed file. `id` is the SHA-256 (hex) of its final bytes.

    The last four fields are what people add in the library; `stars` are 0 (not rated) to 5.
    """

    id: str
    job_id: str
    kind: Kind
    path: Path
    media_type: str
    brief: Brief
    model: ModelUse
    scorecard: Scorecard
    credential: Credential
    parents: tuple[str, ...]
    created_at: datetime
    owner: str = ""
    favourite: bool = False
    note: str = ""
    stars: int = 0


# --- What can be proved about a file ------------------------------------------------------------

Verdict = Literal["intact", "recovered", "marked", "labelled", "altered", "nothing_found", "unreadable"]
LayerName = Literal["credential", "watermark", "labels", "library"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of evidence. `state` is a short word of that layer ("trusted", "broken", …)."""

    layer: LayerName
    found: bool
    state: str
    detail: str
    p_value: float | None = None
    asset_id: str | None = None
    segments: tuple[tuple[float, float, float], ...] | None = None


@dataclass(frozen=True, slots=True)
class Ingredient:
    """One input that a credential names. `relation` and `detail` are words for a person; `parts` its own inputs.

    `state` is a short word: no_credential, missing, trusted, unknown_signer, altered, damaged, or cut where
    the rest of the chain is not shown.
    """

    title: str
    relation: str
    media_type: str
    state: str
    detail: str
    parts: tuple[Ingredient, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` found. `statement` is the sentence a person reads.

    `sha256` (hex) and `size` (bytes) are of what was given, `checked_at` is when; `trust_list` names the list
    of foreign signers that was consulted.
    """

    path: str
    verdict: Verdict
    statement: str
    layers: tuple[Layer, ...]
    asset_id: str | None = None
    ingredients: tuple[Ingredient, ...] = ()
    sha256: str = ""
    size: int = 0
    checked_at: datetime | None = None
    trust_list: str = ""
