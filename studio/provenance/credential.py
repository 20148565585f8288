"""Signing and reading C2PA credentials, offline: no remote manifest, no OCSP, no thumbnail.

Pictures, sound and video go through the C2PA library's own containers. Text has none there: its store is
signed detached with our own data hash, then framed by `armour`, and its binding is checked here.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from studio.errors import SealFailed
from studio.provenance import armour, frames, jumbf
from studio.provenance.encode import sniff
from studio.provenance.keys import Keys
from studio.provenance.manifest import parent_label

if TYPE_CHECKING:
    import c2pa

STORE_TYPE = "application/c2pa"
GUESS = 4096  # first guess of a text frame's length; two passes at most follow
State = Literal["absent", "trusted", "unknown_signer", "expired", "altered", "damaged"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file's credential says and whether it holds.

    `state`: absent; trusted (unchanged, signer known); unknown_signer (unchanged); expired (unchanged, but
    the certificate has run out); altered (the signature holds, the content is not what was signed);
    damaged (the credential itself does not hold). `reason` says it in a few words.
    """

    state: State
    reason: str = ""
    signer: str = ""
    generator: str = ""
    title: str = ""
    time: str = ""
    assertions: tuple[tuple[str, Any], ...] = ()
    manifest_digest: str = ""
    failures: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return self.state in ("trusted", "unknown_signer", "expired")


@lru_cache(maxsize=8)
def context(anchors: str) -> c2pa.Context:
    """Settings of the C2PA library for one set of trusted certificates; safe to share."""
    import c2pa

    settings: dict[str, Any] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    if anchors:
        settings["trust"] = {"user_anchors": anchors}
    return c2pa.Context.from_dict(settings)


class Signatory:
    """Signs with one set of keys; the signer is built once and reused."""

    def __init__(self, keys: Keys, anchors: str) -> None:
        import c2pa

        self.keys = keys
        self._context = context(anchors)
        algorithm = c2pa.C2paSigningAlg[keys.algorithm]
        self._signer = c2pa.Signer.from_callback(keys.sign, algorithm, keys.chain, keys.timestamp_url or None)
        self._lengths: dict[str, int] = {}

    def sign(
        self, data: bytes, media_type: str, manifest: Mapping[str, Any], parents: Sequence[bytes] = ()
    ) -> tuple[bytes, str]:
        """The signed file and the SHA-256 of its manifest store. Raises SealFailed."""
        import c2pa

        try:
            if media_type in armour.TEXT_TYPES:
                return self._sign_text(data, media_type, manifest, parents)
            out = io.BytesIO()
            store = self._build(manifest, media_type, data, parents, out)
            return out.getvalue(), hashlib.sha256(store).hexdigest()
        except (c2pa.C2paError, jumbf.Malformed) as error:
            raise SealFailed(
                f"The file could not be signed, so nothing was saved ({_short(error)})."
            ) from error

    def _build(
        self,
        manifest: Mapping[str, Any],
        media_type: str,
        data: bytes,
        parents: Sequence[bytes],
        out: io.BytesIO,
    ) -> bytes:
        import c2pa

        with c2pa.Builder(json.dumps(manifest), self._context) as builder:
            if media_type == STORE_TYPE:
                builder.set_no_embed()
            for index, parent in enumerate(parents):
                relationship = "componentOf" if index else "parentOf"
                ingredient = {
                    "relationship": relationship,
                    "label": parent_label(index),
                    "title": f"Input {index + 1}",
                }
                builder.add_ingredient(
                    ingredient, sniff(parent) or "application/octet-stream", io.BytesIO(parent)
                )
            store: bytes = builder.sign(self._signer, media_type, io.BytesIO(data), out)
        return store

    def _sign_text(
        self, data: bytes, media_type: str, manifest: Mapping[str, Any], parents: Sequence[bytes]
    ) -> tuple[bytes, str]:
        """The frame's length is part of what is signed and depends on the signed store's length, so sign
        with a guess until it fits; the guess is what fitted last."""
        at = armour.insertion(data, media_type)
        content = list(hashlib.sha256(data).digest())
        length = self._lengths.get(media_type, GUESS)
        for _ in range(4):
            binding = {
                "label": "c2pa.hash.data",
                "created": True,
                "data": {
                    "exclusions": [{"start": at, "length": length}],
                    "name": "jumbf manifest",
                    "alg": "sha256",
                    "hash": content,
                    "pad": [],
                },
            }
            whole = dict(manifest) | {"assertions": [*manifest["assertions"], binding]}
            store = self._build(whole, STORE_TYPE, data, parents, io.BytesIO())
            if not self.keys.timestamp_url:  # a time-stamp varies in size; padding then keeps it steady
                store = jumbf.without_padding(store)
            frame = armour.write(store, media_type)
            if len(frame) == length:
                return data[:at] + frame + data[at:], hashlib.sha256(store).hexdigest()
            length = self._lengths[media_type] = len(frame)
        raise SealFailed("The credential's size did not settle, so nothing was saved; try again.")


# --- Reading ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """The library's report on the active manifest, taken apart."""

    manifest: dict[str, Any]
    success: set[str] = field(default_factory=set)
    failure: set[str] = field(default_factory=set)


def read(data: bytes, media_type: str, anchors: str) -> Reading:
    """The credential in a file's bytes; never raises for what the file contains."""
    import c2pa

    try:
        if media_type in armour.TEXT_TYPES:
            return _read_text(data, anchors)
        frame = frames.find(data, media_type)
        if data.count(b"jumb") > jumbf.MAX_BOXES:
            return Reading("damaged", "the credential is larger than any honest one")
        with c2pa.Reader(media_type, io.BytesIO(data), context=context(anchors)) as reader:
            found = _report(reader.detailed_json())
    except ValueError as problem:
        return Reading("damaged", str(problem))
    except c2pa.C2paError as error:
        if isinstance(error, c2pa.C2paError.ManifestNotFound):
            return Reading("absent")
        framed = media_type not in armour.TEXT_TYPES and frames.find(data, media_type) is not None
        return Reading("damaged" if framed else "absent", _short(error), failures=("unreadable",))
    if frame is None and media_type in frames.FINDERS:
        frame = frames.Frame(
            b"", 0, 0, exact=False
        )  # the library saw a store that is not framed as it should be
    return _judge(found, frame)


def _read_text(data: bytes, anchors: str) -> Reading:
    import c2pa

    frame = armour.find(data)
    if frame is None:
        return Reading("absent")
    if frame.store.count(b"jumb") > jumbf.MAX_BOXES:
        return Reading("damaged", "the credential is larger than any honest one")
    with c2pa.Reader(STORE_TYPE, io.BytesIO(data), frame.store, context(anchors)) as reader:
        found = _report(reader.detailed_json())
    # The library cannot see where a store stands in text, so the hard binding is checked here instead.
    found.failure.discard("assertion.dataHash.mismatch")
    if not _bound(found.manifest, data, frame):
        found.failure.add("assertion.dataHash.mismatch")
    return _judge(found, frame)


def _bound(manifest: Mapping[str, Any], data: bytes, frame: frames.Frame) -> bool:
    """C2PA 2.4, 15.12: the hash covers every byte but those of the frame, and the frame is nothing else."""
    binding = manifest.get("assertion_store", {}).get("c2pa.hash.data", {})
    size = frame.end - frame.start
    if binding.get("exclusions") != [{"start": frame.start, "length": size}] or not frame.exact:
        return False
    if binding.get("alg", "sha256") not in ("sha256", "sha384", "sha512"):
        return False
    covered = hashlib.new(binding.get("alg", "sha256"), data[: frame.start] + data[frame.end :]).digest()
    return bool(base64.b64encode(covered).decode() == binding.get("hash"))


def _report(detailed: str) -> _Found:
    report = json.loads(detailed)
    results = report.get("validation_results", {}).get("activeManifest", {})
    codes = {
        kind: {entry.get("code", "") for entry in results.get(kind, [])} for kind in ("success", "failure")
    }
    manifest = report.get("manifests", {}).get(report.get("active_manifest"), {})
    if report.get("validation_state") == "Invalid" and not codes["failure"]:
        codes["failure"].add("invalid")
    return _Found(manifest, codes["success"], codes["failure"])


def _judge(found: _Found, frame: frames.Frame | None) -> Reading:
    """From status codes (C2PA 2.4, 15.2) to a state; integrity first, then trust."""
    claim, signature = found.manifest.get("claim", {}), found.manifest.get("signature", {})
    generator = claim.get("claim_generator_info") or {}
    generator = generator[0] if isinstance(generator, list) else generator
    state, reason = _state(found, frame, str(generator.get("name", "")))
    return Reading(
        state,
        reason,
        signer=" · ".join(str(signature[key]) for key in ("issuer", "common_name") if signature.get(key)),
        generator=" ".join(str(generator[key]) for key in ("name", "version") if generator.get(key)),
        title=str(claim.get("dc:title", "")),
        time=str(signature.get("time") or ""),
        assertions=tuple(found.manifest.get("assertion_store", {}).items()),
        manifest_digest=hashlib.sha256(frame.store).hexdigest() if frame else "",
        failures=tuple(sorted(found.failure)),
    )


UNTRUSTED = {"signingCredential.untrusted"}
EXPIRED = {"signingCredential.expired", "claimSignature.outsideValidity", "timeStamp.outsideValidity"}


def _state(found: _Found, frame: frames.Frame | None, generator: str) -> tuple[State, str]:
    if "claimSignature.validated" not in found.success or "claimSignature.mismatch" in found.failure:
        return "damaged", "the signature does not fit what it signs"
    if found.failure - UNTRUSTED - EXPIRED:
        return "altered", "the content is not what was signed"
    # A store of another tool may rightly look different where nothing is signed.
    known = "signingCredential.trusted" in found.success or generator == "Signet"
    if known and frame is not None and (not frame.exact or jumbf.loose(frame.store)):
        return "altered", "bytes around the signature were changed"
    if found.failure & EXPIRED:
        return "expired", "the signer's certificate has run out"
    if found.failure or "signingCredential.trusted" not in found.success:
        return "unknown_signer", "the signer is not one this studio knows"
    return "trusted", ""


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
