"""Marking a draft: what leaves is encoded, decoded again, and the mark read from that; else it says why not.

The output's id begins with a keyed digest of its unmarked content, which is what marks carry: content made
again from the same seed gets the same mark, sample for sample, and a mark read later finds the output.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from studio.errors import BadInput
from studio.provenance.base import Detection, Mark, Means, mark_for
from studio.provenance.content import content
from studio.provenance.encode import Media, encode, media_for
from studio.provenance.fidelity import cost
from studio.provenance.policy import Policy
from studio.types import Draft, Sound

ID_DIGITS = 32
NAMED_DIGITS = 10  # the beginning of an id that marks can carry
TRACED = "A traced drawing has no pixels that could carry a watermark."


@dataclass(frozen=True, slots=True)
class Marked:
    """The encoded file of a draft. `shown` is what a decoder makes of it, None where nothing was marked.

    `declared` is what the credential says of the mark; `unmarked` why there is none.
    """

    produce_id: str
    data: bytes
    media: Media
    declared: dict[str, Any] | None = None
    unmarked: str = ""
    shown: Any = field(default=None, repr=False)
    fidelity: dict[str, float] = field(default_factory=dict)


def mark_and_encode(
    draft: Draft, format: str | None, policy: Policy, key: Callable[[], bytes], means: Means
) -> Marked:
    """Raises BadInput and SealFailed as `encode` does; a mark that does not hold raises nothing."""
    media = media_for(draft.kind, format)
    kind = "video" if media.type == "video/mp4" else draft.kind  # an image's walk may leave as a film
    mark = mark_for(kind, replace(means, strength=policy.mark_strength)) if policy.mark else None
    if mark is None:
        reason = (
            f"There is no watermark for {draft.kind}." if policy.mark else "The policy wants no watermark."
        )
    elif media.type == "image/svg+xml":
        reason = TRACED
    else:
        reason = mark.refusal(draft.payload) or ""
    if mark is None or reason:
        return Marked(secrets.token_hex(ID_DIGITS // 2), *encode(draft, format), unmarked=reason)
    secret = key()
    produce_id = _id(draft, secret)
    for attempt in filter(None, (mark, mark.stronger())):
        marked, reason = _try(attempt, draft, format, produce_id, secret)
        if marked is not None:
            return marked
    return Marked(produce_id, *encode(draft, format), unmarked=reason)


def _try(
    mark: Mark, draft: Draft, format: str | None, produce_id: str, key: bytes
) -> tuple[Marked | None, str]:
    """The marked file if the mark reads from it, else the reason."""
    message = mark.message(produce_id)
    try:
        payload = mark.embed(draft.payload, message, key)
    except BadInput as error:
        return None, str(error)
    data, media = encode(replace(draft, payload=payload), format)
    shown = content(data, media.type)
    found = mark.confirm(shown, message, key)
    if not found.found or (message and found.message != message):
        wrong = f"The watermark could not be read back from the finished file: {found.detail}"
        return None, found.detail if not message else wrong
    declared = _declared(mark, message, found)
    return Marked(
        produce_id, data, media, declared, shown=shown, fidelity=cost(draft.kind, draft.payload, payload)
    ), ""


def _declared(mark: Mark, message: bytes, found: Detection) -> dict[str, Any]:
    """C2PA wants algorithms of its own list in `c2pa.soft-binding`; this is the same, in our own assertion."""
    value = {"value": mark.names(message)} if message else {}
    margin = {} if found.margin is None else {"margin_db": f"{found.margin:.1f}"}
    return {"alg": mark.algorithm, **value, "p_value": f"{found.p_value:.1e}", **margin}


def _id(draft: Draft, key: bytes) -> str:
    digest = hashlib.blake2b(_bytes(draft.payload), key=key[:64], digest_size=NAMED_DIGITS // 2)
    return digest.hexdigest() + secrets.token_hex((ID_DIGITS - NAMED_DIGITS) // 2)


def _bytes(payload: Any) -> bytes:
    if isinstance(payload, str):
        return payload.encode("utf-8", "replace")
    if isinstance(payload, list):
        return b"".join(map(_bytes, payload))
    sound = isinstance(payload, Sound)
    samples = payload.samples if sound else payload
    shape = f"{payload.sample_rate if sound else 0} {samples.shape}"
    return shape.encode() + bytes(samples.tobytes())
