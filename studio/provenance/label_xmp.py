"""XMP packets (ISO 16684-1): reading the label properties, and writing them without losing the others.

Not covered: extended XMP (its segments are left alone), structures inside our own properties.
XML is parsed with defusedxml: a packet with a DTD or entities is refused as malformed.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from studio.provenance.label_fields import (
    AI_PROMPT,
    AI_SYSTEM,
    AI_SYSTEM_VERSION,
    AIGC,
    CREATED,
    CREATOR_TOOL,
    CREDIT,
    DIGITAL_SOURCE_TYPE,
    IDENTIFIER,
    MAX_METADATA_BYTES,
    RIGHTS,
    SOURCE,
    TITLE,
    WEB_STATEMENT,
    Findings,
    Statement,
    clean,
)

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XML = "http://www.w3.org/XML/1998/namespace"
PREFIXES = {
    "TC260": "http://www.tc260.org.cn/ns/AIGC/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "dcterms": "http://purl.org/dc/terms/",
}
_PREFIX_OF = {uri: prefix for prefix, uri in PREFIXES.items()}
PROPERTIES = {
    AIGC: "TC260:AIGC",
    DIGITAL_SOURCE_TYPE: "Iptc4xmpExt:DigitalSourceType",
    AI_SYSTEM: "Iptc4xmpExt:AISystemUsed",
    AI_SYSTEM_VERSION: "Iptc4xmpExt:AISystemVersionUsed",
    AI_PROMPT: "Iptc4xmpExt:AIPromptInformation",
    RIGHTS: "dc:rights",
    WEB_STATEMENT: "xmpRights:WebStatement",
    TITLE: "dc:title",
    CREATOR_TOOL: "xmp:CreatorTool",
    CREDIT: "photoshop:Credit",
    CREATED: "xmp:CreateDate",
    IDENTIFIER: "dc:identifier",
    SOURCE: "dc:source",
}
_NAME_OF = {key: name for name, key in PROPERTIES.items()}
_LANGUAGE_ALTERNATIVES = ("dc:rights", "dc:title")
MAX_DEPTH = 24
MAX_ELEMENTS = 20_000


def read_xmp(packet: bytes, found: Findings, where: str = "XMP") -> None:
    """Adds the simple properties of `packet` to `found`; a packet that cannot be parsed is a problem."""
    try:
        for tag, node in _properties(_parse(packet)):
            if key := _known(tag):
                found.add(where, _NAME_OF.get(key, key), node if isinstance(node, str) else _text(node))
    except ValueError as error:
        found.problem(f"The XMP packet cannot be read ({error}).")


def build_xmp(statement: Statement, keep: bytes | None = None) -> bytes:
    """A packet that says `statement`, and beside it whatever else the packet `keep` says.

    A `keep` that cannot be parsed says nothing and is left out.
    """
    spaces: dict[str, str] = {RDF: "rdf", XML: "xml"}
    ours = {
        _tag(PROPERTIES[name]): clean(value)
        for name, value in statement.items()
        if name in PROPERTIES and value
    }
    lines = [_property(tag, value, spaces) for tag, value in ours.items()]
    try:
        kept = list(_properties(_parse(keep))) if keep else []
    except ValueError:
        kept = []
    for tag, node in kept:
        if tag not in ours:
            lines.append(
                _property(tag, clean(node), spaces) if isinstance(node, str) else _element(node, spaces)
            )
    declared = "".join(
        f" xmlns:{one}={quoteattr(uri)}" for uri, one in spaces.items() if uri not in (RDF, XML)
    )
    body = "\n   ".join(lines)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n <rdf:RDF xmlns:rdf="{RDF}">\n'
        f'  <rdf:Description rdf:about=""{declared}>\n   {body}\n  </rdf:Description>\n'
        ' </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
    ).encode()


# --- Reading ------------------------------------------------------------------------------------


def _parse(packet: bytes) -> Element:
    """The packet's tree; raises ValueError for anything that is not a sane, bounded XML document."""
    if len(packet) > MAX_METADATA_BYTES:
        raise ValueError(f"longer than {MAX_METADATA_BYTES} bytes")
    text = packet.strip(b"\0 \t\r\n").removeprefix(b"\xef\xbb\xbf")
    try:
        root: Element = fromstring(text, forbid_dtd=True)
    except ParseError as error:
        raise ValueError(f"not well-formed: {error}") from None
    except DefusedXmlException:
        raise ValueError("it declares a document type or entities") from None
    except (LookupError, UnicodeError):
        raise ValueError("unknown encoding") from None
    if sum(1 for _ in root.iter()) > MAX_ELEMENTS:
        raise ValueError("too many elements")
    return root


def _properties(root: Element) -> Iterator[tuple[str, Element | str]]:
    """(`{namespace}name`, element or attribute text) of each property of the packet's subject."""
    for description in (one for rdf in root.iter(f"{{{RDF}}}RDF") for one in rdf):
        for tag, value in description.attrib.items():
            if tag.startswith("{") and not tag.startswith((f"{{{RDF}}}", f"{{{XML}}}")):
                yield tag, value
        for child in description:
            if isinstance(child.tag, str) and child.tag.startswith("{"):
                yield child.tag, child


def _known(tag: str) -> str | None:
    uri, _, local = tag[1:].partition("}")
    return f"{_PREFIX_OF[uri]}:{local}" if uri in _PREFIX_OF else None


def _text(node: Element) -> str:
    """The plain value: text, a resource, or the items of an Alt, Bag or Seq on lines of their own."""
    items = [item for box in node for item in box if item.tag == f"{{{RDF}}}li"]
    if items:
        return "\n".join((item.text or item.get(f"{{{RDF}}}resource") or "").strip() for item in items[:50])
    return (node.text or node.get(f"{{{RDF}}}resource") or "").strip()


# --- Writing ------------------------------------------------------------------------------------


def _tag(key: str) -> str:
    prefix, _, local = key.partition(":")
    return f"{{{PREFIXES[prefix]}}}{local}"


def _property(tag: str, value: str, spaces: dict[str, str]) -> str:
    name, text = _prefixed(tag, spaces), escape(value, {'"': "&quot;"})
    if name in _LANGUAGE_ALTERNATIVES:
        text = f'<rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt>'
    return f"<{name}>{text}</{name}>"


def _element(node: Element, spaces: dict[str, str], depth: int = 0) -> str:
    """`node` as XML again, under prefixes of our choosing; what lies deeper than MAX_DEPTH is dropped."""
    name = _prefixed(node.tag, spaces)
    attributes = "".join(
        f" {_prefixed(tag, spaces)}={quoteattr(clean(text))}" for tag, text in node.attrib.items()
    )
    inside = escape(clean(node.text or "").strip())
    if depth < MAX_DEPTH:
        inside += "".join(_element(child, spaces, depth + 1) for child in node if isinstance(child.tag, str))
    return f"<{name}{attributes}>{inside}</{name}>"


def _prefixed(tag: str, spaces: dict[str, str]) -> str:
    """`{uri}local` as `prefix:local`; a namespace not met before is noted in `spaces`."""
    if not tag.startswith("{"):
        return tag
    uri, _, local = tag[1:].partition("}")
    prefix = spaces.setdefault(uri, _PREFIX_OF.get(uri) or f"ns{len(spaces)}")
    return f"{prefix}:{local}"
