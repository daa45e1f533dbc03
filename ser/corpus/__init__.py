"""The corpus: its clips, what their names say, the checks they must pass, and their split."""
