"""What bodies of the Identity API may say."""
