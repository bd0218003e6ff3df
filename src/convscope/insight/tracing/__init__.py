"""One pass through a network, followed: which layers ran, what each sees of the input, and what it costs."""
