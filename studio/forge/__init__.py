"""The training rooms: one loop, one file per recipe."""
