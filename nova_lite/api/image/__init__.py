"""The Image API."""
