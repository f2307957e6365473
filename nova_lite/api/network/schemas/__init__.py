"""What bodies of the Network API may say."""
