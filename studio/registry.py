"""How parts are found by name. Built-ins register exactly as an outsider's part would.

    from studio.engines.base import engines

    @engines.register
    class Echo: name = "echo"; ...

A part is one module in the registry's package, or one entry point in the group `signet.<noun>s`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from importlib import import_module, metadata
from pkgutil import iter_modules
from typing import Generic, Protocol, TypeVar

from studio.errors import NotFound


class Named(Protocol):
    name: str


Part = TypeVar("Part", bound=Named)


class Registry(Generic[Part]):
    """Classes or instances by their `name`; modules of `package` are imported at first use."""

    def __init__(self, noun: str, package: str) -> None:
        self.noun, self.package = noun, package
        self._parts: dict[str, Part] = {}
        self._discovered = False
        self._discovering = threading.RLock()

    def register(self, part: Part) -> Part:
        """Decorator. Raises ValueError if the name is taken by another part."""
        taken = self._parts.get(part.name)
        if taken is not None and getattr(taken, "__qualname__", "") != getattr(part, "__qualname__", ""):
            raise ValueError(f"there is already a {self.noun} called {part.name!r}")
        self._parts[part.name] = part
        return part

    def lookup(self, name: str) -> Part:
        """The part called `name`; raises NotFound that lists the valid names."""
        self._discover()
        if name not in self._parts:
            raise NotFound(f"There is no {self.noun} called {name!r}; choose one of: {', '.join(self)}.")
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        self._discover()
        return iter(sorted(self._parts))

    def values(self) -> list[Part]:
        return [self._parts[name] for name in self]

    def _discover(self) -> None:
        if self._discovered:
            return
        with self._discovering:  # another thread must not look before all are here
            for module in iter_modules(import_module(self.package).__path__):
                import_module(f"{self.package}.{module.name}")
            if not self._discovered:
                for point in metadata.entry_points(group=f"signet.{self.noun}s"):
                    point.load()
            self._discovered = True
