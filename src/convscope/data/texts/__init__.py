"""Text data: sources, splits, tokenizers, word vectors and batches."""
