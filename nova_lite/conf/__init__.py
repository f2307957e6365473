"""Options, one file a room."""
