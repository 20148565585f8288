"""The layers of a report: what each of credential, watermark, labels and library shows, in words."""

from __future__ import annotations

from urllib.parse import unquote

from studio.provenance.evidence import Evidence, unmarked_because
from studio.provenance.labels import LabelsFound
from studio.provenance.reading import Reading
from studio.provenance.statements import claim, shown
from studio.types import Asset, Layer


def layers_of(evidence: Evidence) -> tuple[Layer, ...]:
    """All four, strongest kind of evidence first."""
    return (
        _credential_layer(evidence.reading, evidence.signed_for),
        _watermark_layer(evidence),
        _labels_layer(evidence.labels),
        _library_layer(evidence),
    )


def unread_layers() -> tuple[Layer, ...]:
    reason = "Nothing was read."
    return tuple(
        Layer(layer, False, "unreadable", reason)
        for layer in ("credential", "watermark", "labels", "library")
    )


def _credential_layer(reading: Reading, asset: Asset | None) -> Layer:
    if reading.state == "absent":
        return Layer("credential", False, "absent", "It carries no C2PA credential.")
    told = {
        "trusted": "The signature holds and this studio knows the signer",
        "unknown_signer": "The signature holds; this studio does not know the signer",
        "listed": "The signature holds; the signer is on the C2PA trust list",
        "expired": "The signature holds; the signer's certificate is not valid today",
        "invalid": "The signature holds; the credential breaks a rule of C2PA",
        "altered": "The signature holds, but not for this content",
        "damaged": "The credential does not hold",
    }[reading.state]
    parts = [f"{told} ({reading.reason})" if reading.reason and not reading.whole else told]
    if reading.signer:
        parts.append(f"signed by {shown(reading.signer)}")
    if reading.generator:
        parts.append(f"made with {shown(reading.generator)}")
    if reading.state != "damaged":
        parts += [
            claim(reading),
            f"time-stamped {shown(reading.time)}" if reading.time else "without a time-stamp",
        ]
    return Layer(
        "credential", True, reading.state, "; ".join(parts) + ".", asset_id=asset.id if asset else None
    )


def _watermark_layer(evidence: Evidence) -> Layer:
    mark = evidence.mark
    told, asset = mark.detail, evidence.marked_for
    if evidence.mark_names:
        held = "which the library holds" if asset else "which the library does not hold"
        told += f" It names the output {evidence.mark_names}…, {held}."
    if not mark.found and (reason := unmarked_because(evidence.reading)):
        told += f" Its credential says why: “{shown(reason).rstrip('.')}”."
    state = "conflict" if evidence.mark_differs else mark.state
    if evidence.mark_differs:
        told += " The credential names another output."
    return Layer(
        "watermark",
        mark.found,
        state,
        told,
        mark.p_value if mark.found or mark.p_value < 1 else None,
        asset.id if asset else None,
        mark.segments or None,
    )


def _labels_layer(found: LabelsFound | None) -> Layer:
    if found is None:
        return Layer("labels", False, "not_checked", "Labels in this kind of file are not read.")
    problem = f" {shown(found.problems[0])}" if found.problems else ""
    if not found.found:
        return Layer("labels", False, "absent", f"No label says how it was made.{problem}")
    state = "contradictory" if any("contradict" in problem for problem in found.problems) else found.says
    parts = [f"A label says: {found.says}"]
    if found.aigc:
        parts.append(f"producer {shown(unquote(found.aigc.content_producer)) or 'not named'}")
    if found.licence_note:
        parts.append(f"licence: {shown(found.licence_note).rstrip('.')}")
    return Layer("labels", True, state, "; ".join(parts) + f". Labels are not signed.{problem}")


def _library_layer(evidence: Evidence) -> Layer:
    if evidence.exact:
        return Layer(
            "library", True, "exact", "The library holds these very bytes.", asset_id=evidence.exact.id
        )
    if evidence.signed_for:
        detail = "The credential names an output that the library holds; these are not its bytes."
        return Layer("library", True, "named_by_credential", detail, asset_id=evidence.signed_for.id)
    if evidence.marked_for:
        detail = "The watermark names an output that the library holds; these are not its bytes."
        return Layer("library", True, "named_by_watermark", detail, asset_id=evidence.marked_for.id)
    if evidence.alike:
        asset, distance = evidence.alike
        detail = f"It resembles an output that the library holds (distance {distance:.2f} of at most 1); resemblance is no proof."
        return Layer("library", True, "recognised", detail, asset_id=asset.id)
    if evidence.labelled_for:
        detail = "A label names an output that the library holds; labels can be copied, and these are not its bytes."
        return Layer("library", True, "named_by_label", detail, asset_id=evidence.labelled_for.id)
    return Layer(
        "library",
        False,
        "absent",
        "The library holds neither these bytes nor anything they were found to come from.",
    )
