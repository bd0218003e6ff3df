"""Transfer learning: what is trainable, in what mode, at what rate, for how long."""
