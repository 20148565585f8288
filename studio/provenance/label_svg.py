"""Labels in SVG: an XMP packet in a `metadata` element, the first child of the root (SVG 2, 5.10).

The file is never parsed as a whole: the packet is cut out between its own tags and parsed like any other,
without document types or entities, so nothing in a foreign SVG is resolved, run or fetched.
"""

from __future__ import annotations

import re

from studio.provenance.label_fields import MAX_METADATA_BYTES, Findings, Statement, broken
from studio.provenance.label_xmp import build_xmp, read_xmp

_PACKET = re.compile(rb"<x:xmpmeta[\s>]")
_END = b"</x:xmpmeta>"
_ROOT = re.compile(rb"<svg(?:\s[^<>]{0,4000})?>")
_OURS, _OURS_END = b'<metadata id="signet-labels">', b"</metadata>\n"


def read(data: bytes, found: Findings) -> None:
    packet = _packet(data)
    if packet is not None:
        read_xmp(packet, found)


def write(data: bytes, statement: Statement) -> bytes:
    """Raises BadInput for a file without a plain root element."""
    earlier = _packet(data)
    start = data.find(_OURS)
    end = data.find(_OURS_END, start, start + 2 * MAX_METADATA_BYTES)
    if start >= 0 and end >= 0:
        data = data[:start] + data[end + len(_OURS_END) :]
    root = _ROOT.search(data[:65_536])
    if root is None:
        raise broken("SVG", "its root element is not found")
    label = _OURS + build_xmp(statement, keep=earlier) + _OURS_END
    return data[: root.end()] + b"\n" + label + data[root.end() :].lstrip(b"\n")


def _packet(data: bytes) -> bytes | None:
    """The first packet, from its opening to its closing tag; None without one of a sane length."""
    start = _PACKET.search(data)
    if start is None:
        return None
    end = data.find(_END, start.start(), start.start() + MAX_METADATA_BYTES)
    return data[start.start() : end + len(_END)] if end > 0 else None
