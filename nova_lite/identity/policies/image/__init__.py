"""Default access rules of the Image API."""
