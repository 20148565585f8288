"""What `studio bench` measures, one file per room."""
