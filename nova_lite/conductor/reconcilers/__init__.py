"""What must stay true: each mends one kind of difference."""
