"""Manifests of thousands of hours."""
