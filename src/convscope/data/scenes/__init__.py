"""Draws the synthetic hot dog scenes: images of hot dogs and of other foods."""
