"""One file per metric family; `base.py` is the seam."""
