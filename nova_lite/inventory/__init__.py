"""Hosts, what is claimed on them, and what they owe."""
