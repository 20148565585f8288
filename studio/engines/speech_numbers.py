"""Numbers as English words: cardinals, ordinals, years, decimals, fractions, digit by digit.

`british` puts "and" after the hundreds ("one hundred and five"). Roman numerals are read here too.
"""

from __future__ import annotations

import re

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion")
_IRREGULAR = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_DENOMINATORS = {2: ("half", "halves"), 4: ("quarter", "quarters")}
LARGEST = 10 ** (3 * len(_SCALES)) - 1


def cardinal(number: int, british: bool = False) -> str:
    """ "minus twelve", "one thousand two hundred thirty-four"; beyond `LARGEST` digit by digit."""
    if number < 0:
        return "minus " + cardinal(-number, british)
    if number > LARGEST:
        return digits(str(number))
    if number < 1000:
        return _below_thousand(number, british)
    words: list[str] = []
    for power in range(len(_SCALES) - 1, -1, -1):
        group = number // 1000**power % 1000
        if group:
            small_rest = british and power == 0 and group < 100
            words.append(("and " if small_rest else "") + _below_thousand(group, british))
            words.append(_SCALES[power])
    return " ".join(filter(None, words))


def ordinal(number: int, british: bool = False) -> str:
    """ "first", "twenty-second", "one hundred thirteenth"."""
    head, joint, last = _split_last(cardinal(number, british))
    if last in _IRREGULAR:
        return head + joint + _IRREGULAR[last]
    return head + joint + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def year(number: int) -> str:
    """How a year is said: 1905 "nineteen oh five", 2000 "two thousand", 2026 "twenty twenty-six"."""
    century, rest = divmod(number, 100)
    if not 10 <= century < 100 or (century % 10 == 0 and rest < 10):
        return cardinal(number)
    if rest == 0:
        return cardinal(century) + " hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def decade(number: int) -> str:
    """1990 → "nineteen nineties", 80 → "eighties", 1900 → "nineteen hundreds"."""
    words = year(number) if number >= 1000 else cardinal(number)
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def digits(text: str) -> str:
    """Every digit of `text` by itself: "007" → "zero zero seven"."""
    return " ".join(_UNITS[int(c)] for c in text if c in "0123456789")


def decimal(text: str, british: bool = False) -> str:
    """A written number such as "1,234.5", "-3" or ".75" in words; "3.10" keeps both decimals."""
    sign = "minus " if text[0] in "-−" else ""
    whole, _, part = text.lstrip("-−+").replace(",", "").partition(".")
    words = cardinal(int(whole), british) if whole else ""
    return sign + " ".join(filter(None, [words, "point" if part else "", digits(part)]))


def fraction(top: int, bottom: int, british: bool = False) -> str:
    """3/4 → "three quarters", 1/2 → "one half", 5/16 → "five sixteenths", 7/0 → "seven over zero"."""
    if bottom <= 1 or bottom > 100:
        return f"{cardinal(top, british)} over {cardinal(bottom, british)}"
    name = ordinal(bottom, british)
    one, many = _DENOMINATORS.get(bottom, (name, name + "s"))
    return f"{cardinal(top, british)} {one if top == 1 else many}"


_ROMAN = {"M": 1000, "D": 500, "C": 100, "L": 50, "X": 10, "V": 5, "I": 1}
_ROMAN_FORM = re.compile(r"M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")


def roman(text: str) -> int | None:
    """The value of a well-formed Roman numeral (1–3999), or None."""
    if not text or not _ROMAN_FORM.fullmatch(text):
        return None
    values = [_ROMAN[c] for c in text]
    return sum(-v if any(w > v for w in values[i + 1 : i + 2]) else v for i, v in enumerate(values))


def _below_thousand(number: int, british: bool) -> str:
    if number < 20:
        return _UNITS[number]
    if number < 100:
        tens, unit = divmod(number, 10)
        return _TENS[tens] + (f"-{_UNITS[unit]}" if unit else "")
    hundreds, rest = divmod(number, 100)
    joint = " and " if british else " "
    return f"{_UNITS[hundreds]} hundred" + (joint + _below_thousand(rest, british) if rest else "")


def _split_last(words: str) -> tuple[str, str, str]:
    cut = max(words.rfind(" "), words.rfind("-"))
    return (words[:cut], words[cut], words[cut + 1 :]) if cut >= 0 else ("", "", words)
