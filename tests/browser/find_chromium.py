"""Says where Chromium is, or which package brings it: `make test` asks before it starts."""

from __future__ import annotations

import shutil
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


if __name__ == "__main__" and chromium() is None:
    sys.exit(
        "The browser tests need Chromium. Debian and Ubuntu: apt install chromium; "
        "Fedora: dnf install chromium; or install Google Chrome."
    )
