"""Written quantities as spoken English: dates, times, money, measures, fractions, ranges, plain numbers.

`speak_quantities` is a pass of rules in order; each leaves words behind, so no later rule sees its digits.
Ambiguous dates follow the dialect: 3/4/2026 is March 4th in "en-us" and the 3rd of April in "en-gb".
"""

from __future__ import annotations

import re
from collections.abc import Callable

from studio.engines.speech_numbers import cardinal, decade, decimal, digits, fraction, ordinal, year
from studio.engines.speech_units import COUNTED, CURRENCIES, MAGNITUDES, UNITS

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_MONTH_OF = {name[:length].lower(): i for i, name in enumerate(_MONTHS, 1) for length in (3, 4, len(name))}
_MONTH = (
    "(" + "|".join(rf"{m}|{m[:3]}\.?" if m != "September" else r"September|Sept?\.?" for m in _MONTHS) + ")"
)
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_LEFT = r"(?<![\w.,/:])"  # a number starts here: not inside a word, a longer number or a path
_Rule = tuple[re.Pattern[str], Callable[[re.Match[str], bool], str]]


def speak_quantities(text: str, british: bool = False) -> str:
    """`text` with every digit turned into words. Linear in its length."""
    for pattern, say in _RULES:
        text = pattern.sub(lambda m, say=say: say(m, british), text)  # type: ignore[misc]
    return text


# --- Dates and times ----------------------------------------------------------------------------


def _date(day: int, month: int, year_: int | None, british: bool) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    tail = "" if year_ is None else (" " if british else ", ") + year(year_)
    if british:
        return f"the {ordinal(day)} of {_MONTHS[month - 1]}{tail}"
    return f"{_MONTHS[month - 1]} {ordinal(day)}{tail}"


def _iso_date(m: re.Match[str], british: bool) -> str:
    spoken = _date(int(m[3]), int(m[2]), int(m[1]), british)
    return spoken or " ".join(cardinal(int(part)) for part in m.groups())


def _numeric_date(m: re.Match[str], british: bool) -> str:
    first, second, year_ = int(m[1]), int(m[3]), int(m[4])
    year_ += 0 if len(m[4]) == 4 else 2000 if year_ < 70 else 1900
    day_first = british or m[2] == "."
    orders = [(first, second), (second, first)] if day_first else [(second, first), (first, second)]
    spoken = next(filter(None, (_date(d, mo, year_, british) for d, mo in orders)), None)
    return spoken or f"{cardinal(first)} slash {cardinal(second)} slash {cardinal(int(m[4]))}"


def _month_first(m: re.Match[str], british: bool) -> str:
    month, day = _MONTH_OF[m[1].rstrip(".").lower()], int(m[2])
    if day > 31:
        return f"{_MONTHS[month - 1]} {year(day)}"
    until = f" to {ordinal(int(m[3]))}" if m[3] else ""
    tail = f", {year(int(m[4]))}" if m[4] else ""
    return f"{_MONTHS[month - 1]} {ordinal(day)}{until}{tail}"


def _day_first(m: re.Match[str], british: bool) -> str:
    month = _MONTH_OF[m[4].rstrip(".").lower()]
    until = f" to {ordinal(int(m[3]))}" if m[3] else ""
    article = "" if m[1] else "the "
    tail = " " + year(int(m[5])) if m[5] else ""
    return f"{m[1] or ''}{article}{ordinal(int(m[2]))}{until} of {_MONTHS[month - 1]}{tail}"


def _month_year(m: re.Match[str], british: bool) -> str:
    return f"{_MONTHS[_MONTH_OF[m[1].rstrip('.').lower()] - 1]} {year(int(m[2]))}"


def _time(m: re.Match[str], british: bool) -> str:
    hour, minute = int(m[1]), int(m[2] or 0)
    half = {"a": " A-M", "p": " P-M", "": ""}[(m[4] or "")[:1].lower()]
    if hour > 24 or minute > 59:
        return f"{cardinal(hour)} {cardinal(minute)}"
    if minute:
        words = f"{cardinal(hour)} {'oh ' if minute < 10 else ''}{cardinal(minute)}"
    elif half or not m[2]:
        words = cardinal(hour)
    else:
        words = f"{cardinal(hour)} o'clock" if 1 <= hour <= 12 else f"{cardinal(hour)} hundred"
    if m[3]:
        words += f" and {_counted(cardinal(int(m[3])), int(m[3]) == 1, ('second', 'seconds'))}"
    return words + half + ("." if m[4] and m[4].endswith(".") and _ends_sentence(m) else "")


def _ends_sentence(m: re.Match[str]) -> bool:
    rest = m.string[m.end() : m.end() + 3]
    return not rest.strip() or bool(re.match(r"\s+[\"“(]?[A-Z]", rest))


# --- Money, measures, parts ---------------------------------------------------------------------


def _money(m: re.Match[str], british: bool) -> str:
    sign, symbol, number = m["sign"] or "", m["symbol"] or m["code"], m["number"].replace(",", "")
    one, many, cent, cents = CURRENCIES[symbol]
    minus = "minus " if sign else ""
    scale = MAGNITUDES.get((m["scale"] or "").lower().strip())
    if scale:
        return f"{minus}{decimal(number, british)} {scale} {many}"
    whole, _, part = number.partition(".")
    if len(part) not in (0, 2) or (part and not cents):
        return f"{minus}{decimal(number, british)} {many}"
    units, small = int(whole or 0), int(part or 0)
    words = [_counted(cardinal(units, british), units == 1, (one, many))] if units or not small else []
    if small:
        words.append(_counted(cardinal(small, british), small == 1, (cent, cents)))
    return minus + " and ".join(words)


def _measure(m: re.Match[str], british: bool) -> str:
    number, unit = m["number"], m["unit"]
    value = decimal(number, british)
    if m["top"]:  # 2 1/2 kg
        value = _mixed(int(number), int(m["top"]), int(m["bottom"]), british)
    return ("minus " if m["sign"] else "") + _counted(
        value, m["joint"] == "-" or (number == "1" and not m["top"]), UNITS[unit]
    )


def _mixed(whole: int, top: int, bottom: int, british: bool) -> str:
    part = fraction(top, bottom, british)
    if top == 1:
        part = "a" + part.removeprefix("one")
    return f"{cardinal(whole, british)} and {part}"


def _feet(m: re.Match[str], british: bool) -> str:
    inches = f" {_counted(cardinal(int(m[2])), int(m[2]) == 1, ('inch', 'inches'))}" if m[2] else ""
    return _counted(cardinal(int(m[1])), int(m[1]) == 1, ("foot", "feet")) + inches


def _range(m: re.Match[str], british: bool) -> str:
    """The hyphen between two numbers becomes "to"; the numbers are left to the rules that follow."""
    return f"{m[1]} to {m[2]}"


def _fraction(m: re.Match[str], british: bool) -> str:
    whole, top, bottom = m[1], int(m[2]), int(m[3])
    if whole:
        return _mixed(int(whole), top, bottom, british)
    if top >= bottom and bottom > 10:  # 50/50, not a part of a whole
        return f"{cardinal(top, british)} {cardinal(bottom, british)}"
    return fraction(top, bottom, british)


# --- Plain numbers ------------------------------------------------------------------------------


def _embedded(m: re.Match[str], british: bool) -> str:
    """Digits inside a word ("MP3", "H2O"): said, and set apart from the letters beside them."""
    text = m[0]
    long = len(text) > 4 or (len(text) > 1 and text[0] == "0")
    before, after = m.string[: m.start()][-1:], m.string[m.end() :][:1]
    words = digits(text) if long else cardinal(int(text), british)
    return " " * before.isalpha() + words + " " * after.isalpha()


def _plain(m: re.Match[str], british: bool) -> str:
    text = m[0]
    whole = text.lstrip("-−+")
    if whole.isdigit():
        if (len(whole) > 1 and whole[0] == "0") or len(whole) > 15:
            return digits(whole)
        if len(text) == 4 and 1100 <= int(text) <= 2099:
            return year(int(text))
    return ("plus " if text[0] == "+" else "") + decimal(text, british)


def _dotted(m: re.Match[str], british: bool) -> str:
    parts = m[0].split(".")
    address = len(parts) == 4 and all(int(part) < 256 for part in parts) and any(len(p) > 1 for p in parts)
    say = digits if address else lambda part: cardinal(int(part), british)
    return (" dot " if address else " point ").join(say(part) for part in parts)


def _grouped_digits(m: re.Match[str], british: bool) -> str:
    return ", ".join(digits(group) for group in re.findall(r"\d+", m[0]))


def _phone(m: re.Match[str], british: bool) -> str:
    return ("plus " if m[0].startswith("+") else "") + _grouped_digits(m, british)


def _counted(number: str, single: bool, names: tuple[str, str]) -> str:
    return f"{number} {names[0] if single else names[1]}"


def _alternatives(names: object) -> str:
    return "|".join(re.escape(str(n)) for n in sorted(names, key=lambda n: -len(str(n))))  # type: ignore[call-overload]


_SIGNS = _alternatives(key for key in CURRENCIES if not key.isalpha())
_CODES = _alternatives(key for key in CURRENCIES if key.isalpha())
_SCALE = rf"\s?(?:{_alternatives(MAGNITUDES)})"
_RULES: tuple[_Rule, ...] = tuple(
    (re.compile(pattern), say)
    for pattern, say in (
        # Telephone: +44 20 7946 0958, (555) 123-4567, 555-123-4567, 1-800-555-0199, 020 7946 0958
        (r"(?<![\w+])\+\d{1,3}(?:[ .\-]?\(?\d{1,4}\)?){2,5}(?![\w%])", _phone),
        (r"(?<![\w.])(?:1[ \-])?\(\d{3}\) ?\d{3}[ .\-]\d{4}\b", _phone),
        (r"(?<![\w.,\-])(?:1[ .\-])?\d{3}([.\-])\d{3}\1\d{4}\b(?!-)", _phone),
        (r"(?<![\w+.,:/\-])0(?:\d{2,4}(?: \d{3,4}){2}|\d{4} \d{6})(?![\w-])", _phone),
        (r"(?<![\w.,\-])\d{4}([ \-])\d{4}\1\d{4}\1\d{4}\b", _grouped_digits),  # a card number
        (r"(?<![\w.,\-])\d{3}-\d{4}(?![\w\-])", _phone),
        (r"(?<![\w-])\d+(?:-\d+){3,}(?![\w-])", _grouped_digits),  # ISBN
        # Dates
        (_LEFT + r"(\d{4})-(\d{1,2})-(\d{1,2})(?![\d\-])(?:T(?=\d))?", _iso_date),
        (_LEFT + r"(\d{1,2})([/.\-])(\d{1,2})\2(\d{4}|\d{2})(?![\d./\-]\d|\d)", _numeric_date),
        (rf"\b{_MONTH} (\d{{1,2}})(?:st|nd|rd|th)?(?:\s?[–-]\s?(\d{{1,2}}))?(?:,? (\d{{4}}))?\b(?![\d:,.]\d)", _month_first),
        (rf"\b([Tt]he )?(\d{{1,2}})(?:st|nd|rd|th)?(?:\s?[–-]\s?(\d{{1,2}}))?(?: of)? {_MONTH}(?:,? (\d{{4}}))?\b", _day_first),
        (rf"\b{_MONTH},? (\d{{4}})\b", _month_year),
        # Times
        (r"(?<=\d\d)\s?[–—-]\s?(?=\d{1,2}:\d\d)|(?<=[ap]m)\s?[–—-]\s?(?=\d)", lambda m, b: " to "),
        (_LEFT + r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s?([AaPp]\.?[Mm]\b\.?))?(?![:\d])", _time),
        (_LEFT + r"(\d{1,2})()()\s?([AaPp]\.?[Mm]\b\.?)", _time),
        # Decades
        (_LEFT + r"['’]?(\d0)['’]?s\b", lambda m, b: decade(int(m[1]))),
        (_LEFT + r"(\d{3}0)['’]?s\b", lambda m, b: decade(int(m[1]))),
        # Money
        (r"([$£€¥₹]\d[\d,.]*)\s?[–—-]\s?(?=[$£€¥₹]?\d)", lambda m, b: f"{m[1]} to "),
        (rf"(?P<sign>[-−])?(?P<symbol>{_SIGNS})(?P<code>)\s?(?P<number>{_NUMBER})(?P<scale>{_SCALE}\b)?", _money),
        (rf"(?P<sign>)(?P<symbol>)\b(?P<code>{_CODES}) (?P<number>{_NUMBER})(?P<scale>{_SCALE}\b)?", _money),
        (rf"{_LEFT}(?P<sign>)(?P<number>{_NUMBER})(?P<scale>{_SCALE})?\s?(?:(?P<symbol>[€£¥₹])|(?P<code>{_CODES})\b)", _money),
        (rf"{_LEFT}(\d{{1,2}})([¢p])(?!\w)", lambda m, b: _counted(cardinal(int(m[1])), m[1] == "1", ("cent", "cents") if m[2] == "¢" else ("penny", "pence"))),
        (r"\b(\d{1,2})(\d0)p\b", lambda m, b: f"{cardinal(int(m[1]))} {cardinal(int(m[2]))} P"),  # 1080p
        # Ranges, then what may stand behind their second number
        (rf"{_LEFT}(\d{{1,3}}(?:,\d{{3}})+|\d+(?:\.\d+)?)\s?[–—-]\s?(\d[\d,.]*\d|\d)(?![\w-]{{0,20}}[-/]\d)", _range),
        # Measures and parts
        (r"(?<![\w.])(\d{1,2})['′](?:\s?(\d{1,2})(?:\"|″|''))(?!\w)", _feet),
        (rf"(?<![\w.,])(?P<sign>[-−])?(?P<number>{_NUMBER})(?:[ -](?P<top>\d)/(?P<bottom>\d{{1,2}}))?(?P<joint>[ -]?)(?P<unit>{_alternatives(UNITS)})(?![\w²³])", _measure),
        (r"(?<![\w./])(?:(\d+)[ -])?(\d+)[/⁄](\d+)(?![\w/])", _fraction),
        # Plain numbers
        (r"(?<![\w.,])(\d+)(?:st|nd|rd|th)\b", lambda m, b: ordinal(int(m[1]), b)),
        (r"(?<![\w.])\d+(?:\.\d+){2,}(?!\w)", _dotted),
        (rf"{_LEFT}({_NUMBER})\s?({_alternatives(COUNTED)})\b", lambda m, b: f"{decimal(m[1], b)} {COUNTED[m[2]]}"),
        (rf"(?<![\w.,/:-])[-−+]?(?:{_NUMBER})(?!\w)", _plain),
        (r"\d+", _embedded),
    )
)  # fmt: skip
