"""Frozen values that rooms hand each other; no I/O."""
