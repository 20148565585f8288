"""Signet: one brief becomes copy, pictures, speech and music, each with a scorecard and a seal.

Importing this package is cheap by design: neither torch nor gradio is loaded until a room needs it.
"""

__version__ = "0.1.0"
