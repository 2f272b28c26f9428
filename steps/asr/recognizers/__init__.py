"""Recognizers as files: ours and those of others."""
