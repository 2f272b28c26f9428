"""Subsystem D: what is said, as n-gram counts."""
