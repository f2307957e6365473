"""One reason to refuse a host in each file."""
