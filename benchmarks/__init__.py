"""Side-by-side timings against peers: ``make bench``, or ``make bench only=PATTERN``.

A benchmark is a module of this package with ``NAMES``, the names of its rows, and ``measure(name) -> Row``.
"""
