"""Side-by-side timings against peers: ``make bench``, or ``make bench only=PATTERN``.

A benchmark is a module of this package with ``NAMES``, the names of its rows, and ``measure(name) -> Row``.

`benchmarks.compare_commits` is no benchmark, but a command that reports whether two commits compute the same results.
"""
