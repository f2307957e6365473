"""All that runs on a host; nothing in it reaches the database."""
