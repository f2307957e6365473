"""The engine of long operations; knows no server."""
