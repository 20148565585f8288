"""The page: one file a tab, `parts.py` for what they share, `app.py` composes and serves."""
