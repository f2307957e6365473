"""Ranks hosts for requests, and says why the others fell out."""
