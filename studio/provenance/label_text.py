"""Labels in text: YAML front matter in Markdown, meta tags in HTML, nothing in plain text.

Plain text has no place for a label that a reader would not see: what can be done there is a visible line
(`explicit`), an imperceptible mark, or a credential beside the text. Markdown's front matter follows
TC260-PG-20258A: the key `AIGC` with the seven values below it. Front matter is read line by line, not with
a YAML parser: only the flat shapes written here and those seen in the wild.
"""

from __future__ import annotations

import html
import json
import re

from studio.errors import BadInput
from studio.provenance import label_gb
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
    RIGHTS,
    SOURCE,
    WEB_STATEMENT,
    Findings,
    Statement,
)

# A document has its own title, so TITLE is written nowhere here.
FRONT_MATTER = {
    DIGITAL_SOURCE_TYPE: "digital_source_type", AI_SYSTEM: "ai_system_used",
    AI_SYSTEM_VERSION: "ai_system_version_used", AI_PROMPT: "ai_prompt_information", RIGHTS: "rights",
    WEB_STATEMENT: "license", CREATOR_TOOL: "generator", CREDIT: "credit", CREATED: "created",
    IDENTIFIER: "identifier", SOURCE: "source",
}  # fmt: skip
META = {
    AIGC: "AIGC", DIGITAL_SOURCE_TYPE: "DigitalSourceType", AI_SYSTEM: "AISystemUsed",
    AI_SYSTEM_VERSION: "AISystemVersionUsed", AI_PROMPT: "AIPromptInformation", RIGHTS: "dcterms.rights",
    WEB_STATEMENT: "dcterms.license", CREATOR_TOOL: "generator", CREDIT: "dcterms.publisher",
    CREATED: "dcterms.created", IDENTIFIER: "dcterms.identifier", SOURCE: "dcterms.source",
}  # fmt: skip
_NAME_OF_KEY = {key: name for name, key in FRONT_MATTER.items()}
_NAME_OF_META = {key.lower(): name for name, key in META.items()}
HEAD_CHARS = 262_144
EDGE_CHARS = 8192

# Lines that are nothing but a visible label (GB 45438-2025, 5.1: "AI" and 生成 or 合成; EU: "AI"-wording).
_VISIBLE = re.compile(
    r"(?:本文|本内容|以上内容|此内容|内容|图片)?(?:由|为)?(?:人工智能|AI)(?:大模型|模型|辅助)?(?:生成|合成){1,2}(?:内容)?"
    r"|(?:this (?:text|content|article) (?:is|was) )?AI[- ]generated(?: (?:text|content))?"
    r"|(?:this (?:text|content|article) (?:is|was) )?generated (?:by|with|using) (?:an )?AI(?: model)?",
    re.I,
)
_DECORATION = re.compile(r"^[\W_]+|[\W_]+$")
_META_TAG = re.compile(r"<meta\s([^<>]{1,40000})>\s?", re.I)
_ATTRIBUTE = re.compile(r"""\b(name|content)\s*=\s*("[^"]{0,40000}"|'[^']{0,40000}')""", re.I)
_HEAD = re.compile(r"<head(?:\s[^<>]{0,2000})?>", re.I)
_BEFORE_HEAD = re.compile(r"\s*(?:<!doctype[^<>]{0,500}>)?\s*(?:<html(?:\s[^<>]{0,2000})?>)?", re.I)


def read_plain(data: bytes, found: Findings) -> None:
    _visible(data.decode("utf-8", "replace"), found)


def write_plain(data: bytes, statement: Statement) -> bytes:
    _text_of(data)
    return data


# --- Markdown -----------------------------------------------------------------------------------


def read_markdown(data: bytes, found: Findings) -> None:
    lines, body = _front_matter(data.decode("utf-8", "replace"))
    for key, block in _entries(lines):
        value = _scalar(block[0].partition(":")[2])
        if key == AIGC and not value:
            nested = dict(line.strip().split(":", 1) for line in block[1:] if ":" in line)
            label = label_gb.from_values({name.strip(): _scalar(text) for name, text in nested.items()})
            value = label.wrapped() if label else ""
        if key == AIGC and not value:
            found.problem("The AIGC entry of the front matter cannot be read.")
        elif key in (AIGC, *_NAME_OF_KEY):
            found.add("front matter", _NAME_OF_KEY.get(key, AIGC), value)
    _visible(body, found)


def write_markdown(data: bytes, statement: Statement) -> bytes:
    lines, body = _front_matter(_text_of(data))
    ours = {FRONT_MATTER[name]: text for name, text in statement.items() if name in FRONT_MATTER and text}
    kept = [line for key, block in _entries(lines) if key not in ours and key != AIGC for line in block]
    if label := label_gb.parse(statement.get(AIGC, "")):
        kept += [f"{AIGC}:", *(f"  {name}: {_quoted(value)}" for name, value in label.values().items())]
    kept += [f"{key}: {_quoted(text)}" for key, text in ours.items()]
    return "\n".join(["---", *kept, "---", ""]).encode() + (b"" if lines else b"\n") + body.encode()


def without_front_matter(text: str) -> str:
    return _front_matter(text)[1]


def _front_matter(text: str) -> tuple[list[str], str]:
    """(lines between the fences, the rest); no lines where there is no front matter."""
    text = text.removeprefix("\ufeff")
    lines = text[:HEAD_CHARS].splitlines(keepends=True)
    if lines and lines[0].rstrip() == "---":
        for number, line in enumerate(lines[1:], 1):
            if line.rstrip() in ("---", "..."):
                return [one.rstrip("\r\n") for one in lines[1:number]], text[
                    len("".join(lines[: number + 1])) :
                ]
    return [], text


def _entries(lines: list[str]) -> list[tuple[str, list[str]]]:
    """(key, lines) of each top-level entry; lines before the first key come under the key ""."""
    entries: list[tuple[str, list[str]]] = []
    for line in lines:
        key, colon, _ = line.partition(":")
        if colon and re.fullmatch(r"[\w.-]{1,80}|\"[\w .-]{1,80}\"", key):
            entries.append((key.strip('"'), [line]))
        elif entries:
            entries[-1][1].append(line)
        else:
            entries.append(("", [line]))
    return entries


def _scalar(text: str) -> str:
    text = text.strip()
    if text[:1] == '"' == text[-1:] and len(text) > 1:
        try:
            value = json.loads(text)
        except ValueError:
            return text[1:-1]
        return value if isinstance(value, str) else ""
    if text[:1] == "'" == text[-1:] and len(text) > 1:
        return text[1:-1].replace("''", "'")
    return text


def _quoted(text: str) -> str:
    # A JSON string is a YAML double-quoted scalar; U+0085, U+2028 and U+2029 would break the line in YAML.
    return re.sub(
        "[\x7f-\x9f\u2028\u2029\ufeff]",
        lambda odd: f"\\u{ord(odd[0]):04x}",
        json.dumps(text, ensure_ascii=False),
    )


# --- HTML ---------------------------------------------------------------------------------------


def read_html(data: bytes, found: Findings) -> None:
    text = data[: 4 * HEAD_CHARS].decode("utf-8", "replace")[:HEAD_CHARS]
    for tag in _META_TAG.finditer(text):
        name, content = _name_and_content(tag[1])
        if name in _NAME_OF_META:
            found.add("meta tag", _NAME_OF_META[name], content)
    for edge in (data[:EDGE_CHARS], data[-EDGE_CHARS:]):
        _visible(re.sub(r"<[^<>]{0,2000}>", "\n", edge.decode("utf-8", "replace")), found)


def write_html(data: bytes, statement: Statement) -> bytes:
    text = _text_of(data)
    ours = {META[name]: value for name, value in statement.items() if name in META and value}
    replaced = {key.lower() for key in ours}

    def keep(tag: re.Match[str]) -> str:
        return "" if _name_and_content(tag[1])[0] in replaced else tag[0]

    text = _META_TAG.sub(keep, text[:HEAD_CHARS]) + text[HEAD_CHARS:]
    place = _HEAD.search(text, 0, HEAD_CHARS) or _BEFORE_HEAD.match(text)
    at = place.end() if place else 0
    tags = "".join(f'<meta name="{key}" content="{html.escape(value)}">\n' for key, value in ours.items())
    return (text[:at] + tags + text[at:]).encode()


def _name_and_content(attributes: str) -> tuple[str, str]:
    found = {key.lower(): value[1:-1] for key, value in _ATTRIBUTE.findall(attributes)}
    return found.get("name", "").lower(), html.unescape(found.get("content", ""))


# --- Shared -------------------------------------------------------------------------------------


def _text_of(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BadInput("The text is not UTF-8; save it as UTF-8 and retry.") from None
    if "\0" in text:
        raise BadInput("This is not a text file; it holds zero bytes.")
    return text


def _visible(text: str, found: Findings) -> None:
    """Adds a visible label that is the first or last line of a text."""
    for place, edge, which in (("start", text[:EDGE_CHARS], 0), ("end", text[-EDGE_CHARS:], -1)):
        lines = [line.strip() for line in edge.splitlines() if line.strip()]
        if lines and _VISIBLE.fullmatch(_DECORATION.sub("", lines[which][:100])):
            found.add(f"visible at the {place}", "VisibleLabel", lines[which])
