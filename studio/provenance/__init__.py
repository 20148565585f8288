"""One file per layer of the seal; `base.py` is the seam of marks."""
