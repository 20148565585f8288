"""Reading C2PA credentials, offline: no remote manifest is fetched, no certificate status asked for.

The C2PA library reads and validates. Added here: the hard binding of text, which the library cannot see,
and strictness about bytes that no signature covers (see `jumbf`, `frames`).
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from studio.provenance import armour, frames, jumbf
from studio.provenance.trust import TrustList

if TYPE_CHECKING:
    import c2pa

STORE_TYPE = "application/c2pa"
# Our own digest of bytes that the C2PA hash of a container leaves out.
UNBOUND = "org.signet.unbound"
State = Literal["absent", "trusted", "listed", "unknown_signer", "expired", "invalid", "altered", "damaged"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file's credential says and whether it holds.

    `state`: absent; trusted (unchanged, signer known to this studio); listed (unchanged, signer on the C2PA
    trust list); unknown_signer (unchanged); expired (unchanged, but the certificate is not valid today);
    invalid (unchanged, but it breaks a rule of C2PA); altered (the signature holds, the content is not what
    was signed); damaged (the credential itself does not hold). `reason` says it in a few words; `known` tells
    whether anybody vouches for the signer; `manifests` are all of the store, by name.
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
    known: bool = False
    manifests: Mapping[str, Any] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return self.state in ("trusted", "listed", "unknown_signer", "expired", "invalid")


def context(anchors: str) -> c2pa.Context:
    """Settings of the C2PA library for one set of trusted certificates; safe to share between threads."""
    return _context(anchors, os.getpid())


@lru_cache(maxsize=8)
def _context(anchors: str, process: int) -> c2pa.Context:
    """One for each process: the library refuses to use after a fork what was made before it."""
    import c2pa

    settings: dict[str, Any] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    if anchors:
        settings["trust"] = {"user_anchors": anchors}
    return c2pa.Context.from_dict(settings)


@dataclass(slots=True)
class _Found:
    """The library's report on the active manifest, taken apart."""

    manifest: dict[str, Any]
    manifests: dict[str, Any]
    success: set[str] = field(default_factory=set)
    failure: set[str] = field(default_factory=set)


def read(data: bytes, media_type: str, anchors: str, listed: TrustList | None = None) -> Reading:
    """The credential in a file's bytes; never raises for what the file contains.

    `anchors` (PEM) are signers that this studio itself knows; for those of `listed` others vouch, and they are
    asked only about signers that nobody here knows.
    """
    reading = _read(data, media_type, anchors)
    if listed is None or reading.known or reading.state in ("absent", "damaged"):
        return reading
    others = _read(data, media_type, listed.pem, strict=False)
    return replace(others, state="listed") if others.state == "trusted" else others


def _read(data: bytes, media_type: str, anchors: str, *, strict: bool = True) -> Reading:
    import c2pa

    try:
        if media_type in armour.TEXT_TYPES:
            return _read_text(data, anchors, strict)
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
        return Reading("damaged" if frame else "absent", short(error), failures=("unreadable",))
    rest = frames.unbound(data, media_type)
    claimed = found.manifest.get("assertion_store", {}).get(UNBOUND)
    if claimed is not None and claimed != {"sha256": hashlib.sha256(rest).hexdigest()}:
        found.failure.add(UNBOUND)
    if frame is None and media_type in frames.FINDERS:
        frame = frames.Frame(
            b"", 0, 0, exact=False
        )  # the library saw a store that is not framed as it should be
    return _judge(found, frame, strict)


def _read_text(data: bytes, anchors: str, strict: bool) -> Reading:
    import c2pa

    frame = armour.find(data)
    if frame is None:
        return Reading("absent")
    if frame.store.count(b"jumb") > jumbf.MAX_BOXES:
        return Reading("damaged", "the credential is larger than any honest one")
    try:
        with c2pa.Reader(STORE_TYPE, io.BytesIO(data), frame.store, context(anchors)) as reader:
            found = _report(reader.detailed_json())
    except c2pa.C2paError as error:
        return Reading("damaged", short(error), failures=("unreadable",))
    # The library cannot see where a store stands in text, so the hard binding is checked here instead.
    found.failure.discard("assertion.dataHash.mismatch")
    if _bound(found.manifest, data, frame):
        found.success.add("assertion.dataHash.match")
    else:
        found.failure.add("assertion.dataHash.mismatch")
    return _judge(found, frame, strict)


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
    manifests = report.get("manifests", {})
    manifest = manifests.get(report.get("active_manifest"), {})
    if report.get("validation_state") == "Invalid" and not codes["failure"]:
        codes["failure"].add("invalid")
    return _Found(manifest, manifests, codes["success"], codes["failure"])


def _judge(found: _Found, frame: frames.Frame | None, strict: bool) -> Reading:
    """From status codes (C2PA 2.4, 15.2) to a state; integrity first, then trust."""
    claim, signature = found.manifest.get("claim", {}), found.manifest.get("signature", {})
    generator = claim.get("claim_generator_info") or {}
    generator = generator[0] if isinstance(generator, list) else generator
    generator = generator if isinstance(generator, Mapping) else {}
    state, reason = _state(found, frame, str(generator.get("name", "")), strict)
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
        known="signingCredential.trusted" in found.success,
        manifests=found.manifests,
    )


UNTRUSTED = {"signingCredential.untrusted"}
EXPIRED = {"signingCredential.expired", "claimSignature.outsideValidity", "timeStamp.outsideValidity"}
MATCHES = {"assertion.dataHash.match", "assertion.bmffHash.match", "assertion.boxesHash.match"}


def _state(found: _Found, frame: frames.Frame | None, generator: str, strict: bool) -> tuple[State, str]:
    """`strict`: a trusted signer's store must be framed and padded as this studio does it."""
    if "claimSignature.validated" not in found.success or "claimSignature.mismatch" in found.failure:
        return "damaged", "the signature does not fit what it signs"
    rest = found.failure - UNTRUSTED - EXPIRED
    # A store of another tool may rightly look different where nothing is signed.
    trusted, ours = "signingCredential.trusted" in found.success, generator == "Signet"
    if not MATCHES & found.success or any(code.endswith((".mismatch", ".missing", UNBOUND)) for code in rest):
        return "altered", "the content is not what was signed"
    loose = frame is not None and (not frame.exact or jumbf.loose(frame.store))
    soiled = frame is not None and jumbf.soiled(frame.store)
    if soiled or (ours and rest) or ((ours or (trusted and strict)) and loose):
        return "altered", "bytes around the signature were changed"
    if rest:
        return "invalid", "the credential breaks a rule of C2PA"
    if found.failure & EXPIRED:
        return "expired", "the signer's certificate is not valid today"
    if not trusted:
        return "unknown_signer", "the signer is not one this studio knows"
    return "trusted", ""


def short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
