"""One file per engine; `base.py` is the seam."""
