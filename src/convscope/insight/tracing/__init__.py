"""Tracing one forward pass of a network: which layers ran, what each sees of the input, and what it costs."""
