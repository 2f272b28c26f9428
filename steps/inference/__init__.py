"""Use of a finished model: export it as one directory, open that, and say what is felt in a recording."""
