"""Where image bytes are kept: one file a backend, one contract."""
