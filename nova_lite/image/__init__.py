"""Images: records, upload, format safety."""
