"""The front door: every public API, on one port, by path."""
