"""What the Identity API answers."""
