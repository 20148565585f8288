"""What a command gets from the flags before it: settings, and the studio when it needs one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.service import Studio
from studio.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    home: Path | None = None
    device: str | None = None

    def settings(self, **more: Any) -> Settings:
        return Settings.read(home=self.home, device=self.device, **more)

    def studio(self) -> Studio:
        """A studio for this command alone: it runs its own jobs and nobody else's."""
        logging.basicConfig(level=logging.WARNING, format="signet: %(message)s")
        return Studio(self.settings())
