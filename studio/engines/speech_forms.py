"""Other habits of writing brought to the form that the rules of speech_text and speech_quantities read.

"6.45am" → "6:45am", "10%–20%" → "10% to 20%", "Mon-Fri" → "Monday to Friday". Every rule keeps what it does not
know; nothing is said aloud here.
"""

from __future__ import annotations

import re

_DAYS = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday", "Thurs": "Thursday",
    "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip
_MONTHS = {
    "Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "May": "May", "Jun": "June", "Jul": "July",
    "Aug": "August", "Sep": "September", "Sept": "September", "Oct": "October", "Nov": "November", "Dec": "December",
}  # fmt: skip
_SPANS = "|".join(sorted({*_DAYS, *_MONTHS}, key=lambda name: -len(name)))
_SPAN = re.compile(rf"\b({_SPANS})\.?\s?[–-]\s?({_SPANS})\b\.?(?!\w)")
_DAY = re.compile(rf"\b({'|'.join(sorted(_DAYS, key=lambda name: -len(name)))})(?=,? \d)")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_ORDINAL = r"\d{1,2}(?:st|nd|rd|th)"

_FORMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), form)
    for pattern, form in (
        (r"(?<![\w.:,])([01]?\d|2[0-3])\.([0-5]\d)(?=\s?[AaPp]\.?[Mm]\b)", r"\1:\2"),  # 6.45am
        (r"\b([Nn]oon|[Mm]idnight)\s?[–-]\s?(?=\d)", r"\1 to "),
        (r"(?<![\w.,:/-])(\d{4})/(\d{1,2})/(\d{1,2})(?![\w/])", r"\1-\2-\3"),
        (rf"(?<![\w.-])({_ORDINAL})\s?[–-]\s?(?={_ORDINAL}\b)", r"\1 to "),
        (r"(?<=\d%)\s?[–-]\s?(?=\d)", " to "),
        (r"(?<![\w.,:-])50-50\b", "fifty fifty"),
        (r"(?<![\w.,:])(\d{1,2})\s?ft\.?\s(\d{1,2})\s?in\b(?:\.(?=\s[a-z]))?", "\\1'\\2\""),
        (
            r"(?<![\w.,:/])(\d{1,3}):(\d|[1-9]\d\d)(?![\w:/]|[.,]\d)",
            r"\1 to \2",
        ),  # a ratio: 16:9 but not 16:09
        (r"(?<![\w.,])(\d+)\^(-?\d+)(?![\w.])", r"\1 to the power of \2"),
        (r"(?<!\S)(?<!\d )–(?=\d)", "-"),
        (r"(?<![\w.,])(\d{1,3})\.(\d{3})\.000(?![\w.])", r"\1,\2,000"),  # 1.500.000
        (r"(?<![\w.,])(\d+),(\d{1,2})(?=\s?(?:kg|g|km|m|cm|mm|l|ml|€|EUR)\b|\s?€)", r"\1.\2"),
        (r"\bProf(?= [A-Z])", "Prof."),
        (r"(?<=[a-z]) St(?=[,;!?]| [a-z]|$)", " Street"),
        (r"(?<=\b[CFGD])#(?!\w)", " sharp"),
    )
)
_FREE = re.compile(r"(?<![\w+.,:/-])1-8(\d)\1-([A-Z]{4,12})\b")  # 1-800-FLOWERS


def usual(text: str) -> str:
    """`text` with such forms changed."""
    text = text.translate(_LOWERED)
    text = _SPAN.sub(lambda m: f"{_named(m[1])} to {_named(m[2])}", text)
    text = _DAY.sub(lambda m: _DAYS[m[1]], text)
    text = _FREE.sub(lambda m: f"one, 8{m[1]}{m[1]}, {m[2].lower()}", text)
    for pattern, form in _FORMS:
        text = pattern.sub(form, text)
    return text


def _named(name: str) -> str:
    return _DAYS.get(name) or _MONTHS[name]
