"""Prompts in a language that the model does not read: put into English by concept names, or refused.

Only Chinese has a table (assets/concepts/zh.tsv); a prompt is read by it whole or not at all, so that nobody
gets a picture of half of what they asked. Models that list no languages, and those that list Chinese, get
prompts as they are. Languages in Latin letters cannot be told apart here and pass.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from studio.catalog import Model
from studio.errors import BadInput
from studio.settings import Settings

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+")
# Words that say how rather than what, and small ones that say nothing to a picture model.
_PLAIN = {
    "红色": "red", "红": "red", "蓝色": "blue", "蓝": "blue", "绿色": "green", "绿": "green", "黄色": "yellow", "黄": "yellow",
    "紫色": "purple", "紫": "purple", "橙色": "orange", "橙": "orange", "粉色": "pink", "粉红色": "pink", "黑色": "black",
    "黑": "black", "白色": "white", "白": "white", "棕色": "brown", "灰色": "grey", "金色": "golden", "银色": "silver",
    "紅色": "red", "紅": "red", "藍色": "blue", "藍": "blue", "綠色": "green", "綠": "green", "黃色": "yellow", "黃": "yellow",
    "大": "big", "小": "small", "笑脸": "smiling face", "笑臉": "smiling face", "可爱": "cute", "可愛": "cute", "快乐": "happy", "微笑": "smiling", "卡通": "cartoon style",
    "扁平": "flat style", "立体": "3d style", "三维": "3d style", "贴纸": "sticker", "图标": "icon", "猫": "cat", "狗": "dog",
    "心": "heart", "花": "flower", "树": "tree", "鱼": "fish", "鸟": "bird", "房子": "house", "车": "car", "杯子": "cup",
    "太阳": "sun", "月亮": "moon", "星星": "star", "山": "mountain", "书": "book", "球": "ball",
    "一个": "", "一只": "", "一朵": "", "一颗": "", "一張": "", "一张": "", "的": "", "个": "", "只": "", "和": "and", "与": "and",
}  # fmt: skip
_LANGUAGES = {"en": "English", "zh": "Chinese"}


def read_prompt(prompt: str, model: Model, settings: Settings) -> str:
    """The prompt as the model can read it. Raises BadInput that says which words it has no name for."""
    if not model.languages or "zh" in model.languages or not (letters := _foreign(prompt)):
        return prompt
    reads = " and ".join(_LANGUAGES.get(one, one) for one in model.languages)
    if not _HAN.fullmatch(letters) or "en" not in model.languages:
        raise BadInput(f"{model.title} reads {reads}; write the prompt in that, or choose another model.")
    unread: list[str] = []
    names = _names(settings.assets / "concepts" / "zh.tsv")
    english = _HAN.sub(lambda found: f" {_put(found[0], names, unread)} ", prompt)
    if unread:
        raise BadInput(
            f"{model.title} reads {reads}, and {', '.join(dict.fromkeys(unread))} has no name in its table; "
            "leave that out or write it in English."
        )
    english = re.sub(r"\s*[，、。；,;]\s*", ", ", english)
    return " ".join(english.split()).strip(" ,")


def _foreign(prompt: str) -> str:
    """The letters that are not Latin, joined."""
    letters = [one for one in prompt if unicodedata.category(one) in ("Lo", "Ll", "Lu") and ord(one) > 0x24F]
    return "".join(letters)


def _put(text: str, names: dict[str, str], unread: list[str]) -> str:
    """`text` in English, longest names first; what has none is put into `unread`."""
    parts, at, lost = [], 0, ""
    while at < len(text):
        size = next((n for n in range(min(12, len(text) - at), 0, -1) if text[at : at + n] in names), 0)
        if not size:
            lost += text[at]
        if size or at + 1 == len(text):
            if lost:
                unread.append(lost)
            lost = ""
        parts.append(names.get(text[at : at + size], ""))
        at += size or 1
    return " ".join(filter(None, parts))


@lru_cache(maxsize=2)
def _names(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise BadInput(f"The table of names {path.name} cannot be read ({error.strerror}).") from error
    pairs = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return {word: name for word, name in pairs} | _PLAIN
