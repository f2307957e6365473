"""Default access rules of the Network API."""
