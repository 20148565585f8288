"""From a brief to the tokens a chat model expects, by the template that the model brings along.

A template comes with a model file and a brief from anyone. Templates are rendered in Jinja's sandbox;
a brief that spells a control token ("<|im_end|>") is read as plain text and cannot end its own turn.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from studio.errors import BadInput, ModelBroken


class Tokenizer(Protocol):
    """What chat needs of a tokenizer; `bos` and `eos` are the texts of those tokens, "" if there is none."""

    chat_template: str | None
    bos: str
    eos: str

    def tokenize(self, text: str, special: bool = False, start: bool = False) -> list[int]: ...


def prompt_tokens(tokenizer: Tokenizer, prompt: str, system: str = "") -> list[int]:
    """The tokens of a conversation that asks `prompt`. A model without a template just goes on from it."""
    if not tokenizer.chat_template:
        return tokenizer.tokenize("\n\n".join(part for part in (system, prompt) if part), start=True)
    said = [text for text in (system, prompt) if text]
    plain = all(tokenizer.tokenize(text, special=True) == tokenizer.tokenize(text) for text in said)
    if plain:
        text = _converse(tokenizer, prompt, system)
        return tokenizer.tokenize(text, special=True, start=not _begins(text, tokenizer))
    names = {secrets.token_hex(16): text for text in said}
    marks = list(names)
    text = _converse(tokenizer, marks[-1], marks[0] if system else "")
    tokens: list[int] = []
    for piece, special in _split(text, names):
        start = not tokens and special and not _begins(piece, tokenizer)
        tokens += tokenizer.tokenize(piece, special=special, start=start)
    return tokens


def check_room(prompt: int, answer: int, room: int) -> None:
    """Raises BadInput with the numbers if a prompt and its longest answer do not fit the context."""
    if prompt == 0:
        raise BadInput("The brief is empty; write what the text should say.")
    if prompt + answer > room:
        raise BadInput(
            f"The brief takes {prompt:,} tokens and the answer up to {answer:,}, but the model holds {room:,} "
            f"together; shorten the brief or lower the longest answer by {prompt + answer - room:,} tokens."
        )


def _begins(text: str, tokenizer: Tokenizer) -> bool:
    return bool(tokenizer.bos) and text.startswith(tokenizer.bos)


def _split(text: str, names: dict[str, str]) -> list[tuple[str, bool]]:
    """Pieces of a rendered template: (its own text, True) and (what a person wrote, False)."""
    pieces = [(text, True)]
    for name, said in names.items():
        parts: list[tuple[str, bool]] = []
        for piece, special in pieces:
            halves = piece.split(name) if special else [piece]
            parts.append((halves[0], special))
            for half in halves[1:]:
                parts += [(said, False), (half, True)]
        pieces = parts
    return [(piece, special) for piece, special in pieces if piece]


def _converse(tokenizer: Tokenizer, prompt: str, system: str) -> str:
    messages = [{"role": "user", "content": prompt}]
    if not system:
        return _render(tokenizer, messages)
    try:
        return _render(tokenizer, [{"role": "system", "content": system}, *messages])
    except ModelBroken:  # some templates know no system role
        return _render(tokenizer, [{"role": "user", "content": f"{system}\n\n{prompt}"}])


def _render(tokenizer: Tokenizer, messages: Sequence[dict[str, str]]) -> str:
    """Rendered as Hugging Face does (transformers, `apply_chat_template`), which templates are written for."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, **how: json.dumps(value, ensure_ascii=False, **how)
    environment.globals |= {"raise_exception": refuse, "strftime_now": _today}
    words: dict[str, Any] = {"bos_token": tokenizer.bos, "eos_token": tokenizer.eos}
    try:
        return environment.from_string(tokenizer.chat_template or "").render(
            messages=messages, add_generation_prompt=True, **words
        )
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise ModelBroken(
            f"The model's chat template fails ({str(error)[:200]}); take another model."
        ) from None


def _today(form: str) -> str:
    return datetime.now().strftime(form)
