"""Default access rules, a folder a service, a file a noun."""
