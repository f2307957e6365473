"""What the Image API answers."""
