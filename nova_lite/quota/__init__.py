"""What projects may use and do use."""
