"""Language models of words."""
