"""Features: extractors, their archives, and normalization."""
