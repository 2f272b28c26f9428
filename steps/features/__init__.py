"""Features: extractors, their archives, and normalisation."""
