"""The operator's command, nova-lite."""
