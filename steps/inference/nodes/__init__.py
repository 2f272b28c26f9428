"""The components of exported models, a kind of node each; kinds.py is the table."""
