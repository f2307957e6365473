"""What the Compute API answers."""
