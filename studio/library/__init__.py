"""Where every finished asset is kept, found again and given out. `Library` is the door."""

from studio.library.health import Health
from studio.library.store import Library

__all__ = ["Health", "Library"]
