"""Network definitions that both the forge (trains them) and the engines (run them) need.

Every module here but `tune_tokens` and `tune_abc` imports torch, so import one only inside a load method; this package itself is empty.
"""
