"""Hypervisors behind one Protocol."""
