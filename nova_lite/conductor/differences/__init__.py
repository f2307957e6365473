"""Differences between books and truth: what each kind is, how it is found, and what mends it."""
