"""The stories: boot, delete, power; each a table of steps."""
