"""What bodies of the Image API may say."""
