"""Texts: their sources, tokens, vectors, batches."""
