"""The seam of every guard: it passes, or raises `Refused` with a reason a person can act on."""

from __future__ import annotations

from typing import ClassVar, Protocol

from studio.registry import Registry
from studio.settings import Settings
from studio.types import Brief, Draft


class Guard(Protocol):
    name: ClassVar[str]

    def __init__(self, settings: Settings) -> None: ...

    def check(self, thing: Brief | Draft) -> None: ...


guards: Registry[type[Guard]] = Registry("guard", "studio.safety")
