"""What the Network API answers."""
