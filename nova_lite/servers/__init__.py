"""Servers, flavors and key pairs: records and rules."""
