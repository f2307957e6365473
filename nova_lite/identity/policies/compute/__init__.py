"""Default access rules of the Compute API."""
