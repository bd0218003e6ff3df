"""Text networks: one file per paper, and what they share."""
