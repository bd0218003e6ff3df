"""Callbacks that run during a training and a test: progress, checkpoints, figures and analysis."""
