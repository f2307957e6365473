"""Every table, by noun."""
