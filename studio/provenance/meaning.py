"""What each state of a report is worth, in words for a person: integrity apart from trust, layer by layer.

The ranking of evidence (statements.py) decides the verdict; here stands why each layer ranks where it does.
"""

from __future__ import annotations

from studio.types import Layer, Report

CHANGED = "It was changed after it was signed."
HELD = "It is unchanged since it was signed."
INTEGRITY = {
    "trusted": HELD,
    "listed": HELD,
    "unknown_signer": HELD,
    "expired": HELD,
    "invalid": HELD,
    "altered": CHANGED,
    "damaged": "This cannot be told: its credential does not hold.",
}
TRUST = {
    "trusted": "This studio knows the signer: it is this installation itself, or one its operator put on file.",
    "listed": "The signer's authority stands on the C2PA trust list; what the signer claims is still its own word.",
    "unknown_signer": "Nobody this studio knows vouches for the signer. Anyone can sign under any name.",
    "expired": "The signer's certificate is not valid today, and nothing shows that it was valid when it signed.",
    "invalid": "The credential breaks a rule of C2PA, so what it says counts for little, whoever signed it.",
    "damaged": "A credential that does not hold names nobody.",
}
MEANING = {
    "credential": {
        "trusted": "The strongest evidence there is: a signature over every byte, by a known signer.",
        "listed": "A signature over the content, as good as the authority that vouches for its signer.",
        "unknown_signer": "Proves that nothing changed since it was signed; says nothing reliable about by whom.",
        "expired": "Proves that nothing changed since it was signed; the signer cannot be relied on any more.",
        "invalid": "Proves that nothing changed since it was signed; the statement itself is not as it must be.",
        "altered": "What the credential says holds for the file that was signed, not for this one.",
        "damaged": "Counts for nothing. It may have been broken by accident or moved here from another file.",
        "absent": "Credentials are lost whenever a file is saved anew, so their absence shows nothing.",
    },
    "watermark": {
        "found": "Only whoever holds this studio's key can write or read this mark. It can be copied along with content, and it says nothing about changes.",
        "likely": "A strong hint, not proof: the chance that unmarked content looks like this is stated.",
        "part": "Some stretches carry the mark; the rest was written elsewhere, or changed too much to tell.",
        "conflict": "Mark and credential disagree, so at least one of them was brought here from elsewhere.",
        "absent": "Strong changes remove marks, and other tools do not write this one: absence shows nothing.",
        "too_little": "Marks need a minimum of content; below it neither presence nor absence can be told.",
        "not_checked": "Nothing follows from this layer.",
    },
    "labels": {
        "generated": "A statement in the metadata. Anyone can write, change or remove it.",
        "edited": "A statement in the metadata. Anyone can write, change or remove it.",
        "contradictory": "Labels that disagree: at least one was written by somebody else.",
        "absent": "Labels are lost whenever metadata is removed, so their absence shows nothing.",
        "not_checked": "Nothing follows from this layer.",
    },
    "library": {
        "exact": "The library keeps files by the digest of their bytes: this is the very file.",
        "named_by_credential": "The original is here to compare.",
        "named_by_watermark": "The original is here to compare; look at both.",
        "recognised": "Resemblance is a hint where to look, not proof of origin.",
        "named_by_label": "A name that anyone could have written into the file.",
        "absent": "Only this studio's own outputs are in its library: absence shows nothing.",
    },
}
UNREAD = "Nothing could be read, so nothing follows."


def integrity(report: Report) -> str:
    """Are these the bytes that were signed? In one sentence."""
    if report.verdict == "unreadable":
        return "This cannot be told: the content could not be read."
    layers = {layer.layer: layer for layer in report.layers}
    if layers["library"].state == "exact":
        return "It is, byte for byte, a file that the library of this studio holds."
    if report.verdict == "recovered":
        return "It is not the file that was sealed: it was changed, or made from that file's content."
    return INTEGRITY.get(layers["credential"].state, "This cannot be told: it carries no credential.")


def trust(report: Report) -> str:
    """Who stands behind it? In one sentence."""
    state = next(layer.state for layer in report.layers if layer.layer == "credential")
    if state == "altered":
        return "A signer stands behind the original, not behind this version."
    return TRUST.get(state, "Nobody has signed it.")


def meaning(layer: Layer) -> str:
    """What the state of a layer is worth."""
    return MEANING[layer.layer].get(layer.state, UNREAD)
