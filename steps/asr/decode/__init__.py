"""From a recognizer's outputs to words: graphs, search, lattices, confidences."""
