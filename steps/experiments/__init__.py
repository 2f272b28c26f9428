"""One experiment = one subsystem on one fold with one seed: examples in, score tables out."""
