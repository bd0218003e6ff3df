"""Code of the user's own in a training: checked before it begins, and its callbacks and loggers."""
