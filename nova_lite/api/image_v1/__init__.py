"""Image API v1, for old clients: the same images, told of in headers."""
