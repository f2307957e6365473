"""A daemon's frame: start, stop, logging, health."""
