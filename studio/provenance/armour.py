"""How a manifest store stands in text: C2PA 2.4, Appendix A.7 (HTML), A.8 (plain), A.9 (Markdown).

`frame_for` says where and how long the frame will be before the store exists, since the signature covers
both; `find` accepts a frame only if re-writing it gives the same bytes, so nothing can hide inside it.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable
from itertools import product

import c2pa_text
from c2pa_text.html import SCRIPT_CLOSE, SCRIPT_OPEN

from studio.errors import SealFailed
from studio.provenance.frames import Frame

MARKDOWN = ("<!-- ", " -->")
# Comment signs that other tools may put around the armour lines.
COMMENTS = (MARKDOWN, ("", ""), ("# ", ""), ("// ", ""), ("/* ", " */"))
NEWLINES = ("\n", "\r\n")
# How the lines may stand at the end or the start of a file: (before, prefix, suffix, between, after).
FORMS = [
    *((new, *comment, line, "") for new, comment, line in product(NEWLINES, COMMENTS, (" ", *NEWLINES))),
    *(("", *comment, line, new) for new, comment, line in product(NEWLINES, COMMENTS, (" ", *NEWLINES))),
]
# The magic bytes of a wrapper, as they stand in text.
WRAPPER_START: str = c2pa_text.encode_wrapper(b"")[: 1 + len(c2pa_text.MAGIC)]
TEXT_TYPES = ("text/markdown", "text/plain", "text/html")


def insertion(data: bytes, media_type: str) -> int:
    """Where the frame goes. Raises SealFailed for a page without a head."""
    if media_type != "text/html":
        return len(data)
    at = data.find(b"</head>")
    if at < 0:
        raise SealFailed("The page has no </head> to hold its credential, so it was not saved.")
    return at


def write(store: bytes, media_type: str) -> bytes:
    """The frame around a store. Its length depends on the length of the store alone."""
    return WRITERS[media_type](store)


def find(data: bytes) -> Frame | None:
    """The one store in a text; None if there is none.

    Raises ValueError (a few words) for several stores, or for one that cannot be read.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return None
        text = data[: error.start].decode("utf-8")  # cut within a character
    found = [frame for finder in (_find_html, _find_armour, _find_selectors) if (frame := finder(text))]
    if len(found) > 1:
        raise ValueError("it holds more than one credential")
    return found[0] if found else None


# --- A.7, HTML ----------------------------------------------------------------------------------


def _write_html(store: bytes) -> bytes:
    return f"{SCRIPT_OPEN}{b64encode(store).decode()}{SCRIPT_CLOSE}".encode("ascii")


def _find_html(text: str) -> Frame | None:
    try:
        found = c2pa_text.extract_html(text)
    except c2pa_text.HtmlError:
        raise ValueError("it holds more than one credential") from None
    if found is None and SCRIPT_OPEN in text:
        raise ValueError("its credential is cut short")
    if found is None or found.method == "reference":
        return None
    if found.manifest is None:
        raise ValueError("its credential cannot be decoded")
    at = text.index('type="application/c2pa"')
    start = text.rindex("<script", 0, at)
    end = text.index(SCRIPT_CLOSE, at) + len(SCRIPT_CLOSE)
    exact = text[start:end] == SCRIPT_OPEN + b64encode(found.manifest).decode() + SCRIPT_CLOSE
    return _frame(text, found.manifest, start, end, exact)


# --- A.9, armour lines --------------------------------------------------------------------------


def _write_armour(store: bytes) -> bytes:
    return _armour(store, "\n", *MARKDOWN).encode("ascii")


def _armour(store: bytes, before: str, prefix: str, suffix: str, line: str = " ", after: str = "") -> str:
    reference = c2pa_text.encode_data_uri(store)
    block = f"{c2pa_text.BEGIN_DELIMITER}{line}{reference}{line}{c2pa_text.END_DELIMITER}"
    return f"{before}{prefix}{block}{suffix}{after}"


def _find_armour(text: str) -> Frame | None:
    try:
        found = c2pa_text.extract_structured(text)
    except c2pa_text.StructuredError as error:
        if (
            f"{c2pa_text.BEGIN_DELIMITER} {c2pa_text.DATA_URI_PREFIX}" in text
            and c2pa_text.END_DELIMITER not in text
        ):
            raise ValueError("its credential is cut short") from None
        if error.code.endswith("noManifest"):
            return None
        raise ValueError("it holds more than one credential") from None
    if not found.reference.startswith(c2pa_text.DATA_URI_PREFIX):
        return None  # the store is elsewhere, and nothing is fetched
    try:
        store = b64decode(found.reference[len(c2pa_text.DATA_URI_PREFIX) :], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("its credential cannot be decoded") from None
    begin = text.index(c2pa_text.BEGIN_DELIMITER)
    end = text.index(c2pa_text.END_DELIMITER) + len(c2pa_text.END_DELIMITER)
    for before, prefix, suffix, line, after in FORMS:
        start, stop = begin - len(before) - len(prefix), end + len(suffix) + len(after)
        at_edge = stop == len(text) if before else start == 0
        if start >= 0 and at_edge and text[start:stop] == _armour(store, before, prefix, suffix, line, after):
            return _frame(text, store, start, stop, exact=True)
    return _frame(text, store, begin, end, exact=False)


# --- A.8, variation selectors -------------------------------------------------------------------


def _write_selectors(store: bytes) -> bytes:
    length = c2pa_text.worst_case_wrapper_byte_length(len(store))
    wrapper: str = c2pa_text.encode_wrapper_padded(store, length)
    return wrapper.encode("utf-8")


def _find_selectors(text: str) -> Frame | None:
    try:
        found = c2pa_text.find_wrapper_info(text)  # offsets in UTF-8
    except ValueError:
        raise ValueError("it holds more than one credential") from None
    if found is None and WRAPPER_START in text:
        raise ValueError("its credential is cut short")
    if found is None:
        return None
    store, start, length = found
    data = text.encode("utf-8")
    wrapper = data[start : start + length]
    exact = wrapper in (_write_selectors(store), c2pa_text.encode_wrapper(store).encode("utf-8"))
    return Frame(store, start, start + length, exact)


def _frame(text: str, store: bytes, start: int, end: int, exact: bool) -> Frame:
    at = len(text[:start].encode("utf-8"))
    return Frame(store, at, at + len(text[start:end].encode("utf-8")), exact)


WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "text/html": _write_html,
    "text/markdown": _write_armour,
    "text/plain": _write_selectors,
}
