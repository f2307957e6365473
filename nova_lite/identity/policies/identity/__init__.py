"""Default access rules of the Identity API."""
