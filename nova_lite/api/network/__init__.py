"""The Network API."""
