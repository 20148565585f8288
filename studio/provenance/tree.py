"""What a credential says it was made from, as a tree: inputs, their own credentials, and their inputs.

Everything here is what signers wrote down, so it is cut to a bounded depth and number and never followed
outside the file. A chain that names itself ends where it closes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from studio.provenance.reading import Reading
from studio.provenance.statements import claim, shown
from studio.types import Ingredient

MAX_DEPTH, MAX_PARTS = 8, 200
RELATIONS = {
    "parentOf": "what was edited",
    "componentOf": "placed in it",
    "inputTo": "given to the tool that made it",
}
PREFIX = "self#jumbf="


def ingredients(reading: Reading) -> tuple[Ingredient, ...]:
    """The inputs that the active manifest names, each with its own; empty where the credential does not hold."""
    if reading.state in ("absent", "damaged"):
        return ()
    left = iter(range(MAX_PARTS))
    return tuple(_inputs(reading.assertions, reading, (), left))


def _inputs(
    assertions: tuple[tuple[str, Any], ...], reading: Reading, above: tuple[str, ...], left: Iterator[int]
) -> Iterator[Ingredient]:
    for label, said in assertions:
        if not label.startswith("c2pa.ingredient") or not isinstance(said, Mapping):
            continue
        if next(left, None) is None:
            return
        yield _ingredient(said, reading, above, left)


def _ingredient(
    said: Mapping[str, Any], reading: Reading, above: tuple[str, ...], left: Iterator[int]
) -> Ingredient:
    title, kind = shown(said.get("dc:title", "")) or "without a name", shown(said.get("dc:format", ""))
    relation = RELATIONS.get(str(said.get("relationship", "")), "of an unknown role")
    name = _manifest(said)
    manifest = reading.manifests.get(name) if name else None
    if not isinstance(manifest, Mapping):
        state = "missing" if name else "no_credential"
        return Ingredient(title, relation, kind, state, STATES[state])
    if name in above or len(above) >= MAX_DEPTH:
        return Ingredient(title, relation, kind, "cut", STATES["cut"])
    state = _state(said)
    store = manifest.get("assertion_store")
    pairs = tuple(store.items()) if isinstance(store, Mapping) else ()
    signature = manifest.get("signature")
    issuer = shown(signature.get("issuer", "")) if isinstance(signature, Mapping) else ""
    parts = [STATES[state]]
    if issuer:
        parts.append(f"signed by {issuer}")
    if state != "damaged":
        parts.append(claim(Reading("unknown_signer", assertions=pairs)))
    below = tuple(_inputs(pairs, reading, (*above, name), left))
    return Ingredient(title, relation, kind, state, "; ".join(parts), below)


STATES = {
    "no_credential": "it carried no credential",
    "missing": "its credential was left out",
    "cut": "the rest of the chain is not shown",
    "trusted": "its credential held when it was taken in",
    "unknown_signer": "its credential held when it was taken in; the tool did not know its signer",
    "altered": "it had been changed after it was signed",
    "damaged": "its credential did not hold when it was taken in",
}


def _manifest(said: Mapping[str, Any]) -> str:
    """The name of the manifest that an ingredient brings along; "" for none (versions 1 to 3 of C2PA)."""
    for key in ("activeManifest", "c2pa_manifest"):
        reference = said.get(key)
        url = reference.get("url") if isinstance(reference, Mapping) else None
        if isinstance(url, str):
            return url.removeprefix(PREFIX).rstrip("/").rsplit("/", 1)[-1]
    return ""


def _state(said: Mapping[str, Any]) -> str:
    """What the tool that took the input in found out about its credential."""
    results = said.get("validationResults")
    active = results.get("activeManifest") if isinstance(results, Mapping) else None
    failures = active.get("failure") if isinstance(active, Mapping) else said.get("validationStatus")
    codes = {
        str(entry.get("code", ""))
        for entry in (failures if isinstance(failures, list) else [])
        if isinstance(entry, Mapping)
    }
    rest = codes - {"signingCredential.untrusted"}
    if any(code.endswith(".mismatch") and code.startswith("assertion.") for code in rest):
        return "altered"
    if rest:
        return "damaged"
    return "unknown_signer" if codes else "trusted"
