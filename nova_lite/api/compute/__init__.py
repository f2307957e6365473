"""The Compute API: URL table, versions, handlers."""
