"""One page about a run, or about a sweep, made from its folder alone."""
