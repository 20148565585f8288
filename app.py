"""The door: parses flags and opens the studio in the browser. `python app.py --help`."""

from __future__ import annotations

import argparse
import sys

from studio.errors import StudioError
from studio.settings import Settings


def main() -> int:
    """Exit status 0, or 1 with one line when the studio cannot start."""
    parser = argparse.ArgumentParser(prog="app.py", description="Open the Signet studio in the browser.")
    parser.add_argument("--host", help="address to serve on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port (default 7860); 0 takes any free one")
    parser.add_argument("--home", help="folder of library, keys and uploads")
    parser.add_argument("--device", help='"auto", "cpu", "mps", "cuda" or "cuda:N"')
    flags = parser.parse_args()
    try:
        settings = Settings.read(**vars(flags))
        from studio.ui.app import serve

        serve(settings)
    except StudioError as error:
        print(f"signet: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
