"""The command line: `python -m studio …`. One file a group of commands; `main.py` composes them.

Exit status: 0 done, 1 a `StudioError` (one line on stderr), 2 wrong usage.
"""
