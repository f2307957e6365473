"""What guests are built of beyond their size, and what hosts can give. Read from flavors and images in one place."""
