"""The contract of a subsystem (contract.py), and one file a subsystem."""
