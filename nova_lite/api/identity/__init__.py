"""The Identity API."""
