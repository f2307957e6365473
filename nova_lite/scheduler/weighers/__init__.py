"""One way to prefer a host in each file."""
