"""Evaluating and explaining a trained run."""
