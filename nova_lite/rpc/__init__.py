"""Messages between daemons: one file a conversation."""
