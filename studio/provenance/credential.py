"""Signing C2PA credentials, offline: no thumbnail, and no time-stamp unless the operator names an authority.

Pictures, sound and video go through the C2PA library's own containers. Text has none there: its store is
signed detached with our own data hash, then framed by `armour`. See `reading` for the way back.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from studio.errors import SealFailed
from studio.provenance import armour, frames, jumbf
from studio.provenance.encode import sniff
from studio.provenance.keys import Keys
from studio.provenance.manifest import parent_label
from studio.provenance.reading import STORE_TYPE, UNBOUND, context, short

GUESS = 4096  # first guess of a text frame's length; two passes at most follow


class Signatory:
    """Signs with one set of keys; the signer is built once and reused."""

    def __init__(self, keys: Keys, anchors: str) -> None:
        import c2pa

        self.keys, self.anchors = keys, anchors
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
            if rest := frames.unbound(data, media_type):
                manifest = _with(manifest, UNBOUND, {"sha256": hashlib.sha256(rest).hexdigest()})
            store = self._build(manifest, media_type, data, parents, out)
            return out.getvalue(), hashlib.sha256(store).hexdigest()
        except (c2pa.C2paError, jumbf.Malformed) as error:
            raise SealFailed(
                f"The file could not be signed, so nothing was saved ({short(error)})."
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
                "exclusions": [{"start": at, "length": length}],
                "name": "jumbf manifest",
                "alg": "sha256",
                "hash": content,
                "pad": [],
            }
            whole = _with(manifest, "c2pa.hash.data", binding)
            store = self._build(whole, STORE_TYPE, data, parents, io.BytesIO())
            if not self.keys.timestamp_url:  # a time-stamp varies in size; padding then keeps it steady
                store = jumbf.without_padding(store)
            frame = armour.write(store, media_type)
            if len(frame) == length:
                return data[:at] + frame + data[at:], hashlib.sha256(store).hexdigest()
            length = self._lengths[media_type] = len(frame)
        raise SealFailed("The credential's size did not settle, so nothing was saved; try again.")


def _with(manifest: Mapping[str, Any], label: str, data: Mapping[str, Any]) -> dict[str, Any]:
    assertion = {"label": label, "created": True, "data": data}
    return dict(manifest) | {"assertions": [*manifest["assertions"], assertion]}
