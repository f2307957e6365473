"""Image cache, root disks, config drive."""
