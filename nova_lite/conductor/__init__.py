"""Runs operations, takes reports of hosts, reconciles."""
