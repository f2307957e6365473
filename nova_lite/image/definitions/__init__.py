"""The definitions that a new cloud has: one namespace a file, as the Image API takes it."""
