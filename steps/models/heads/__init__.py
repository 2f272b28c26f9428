"""What stands on top of a network's trunk."""
