"""What bodies and queries of the Compute API may say."""
