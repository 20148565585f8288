"""One file per guard; `base.py` is the seam."""
