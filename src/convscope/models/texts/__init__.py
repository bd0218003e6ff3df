"""Networks for texts: one file a paper, and what they share."""
