"""The stage engine: a typed graph of stages behind the one-line declarations of a recipe. Standard library only."""
