"""HTML reports of a run or of a sweep, made from its folder alone."""
