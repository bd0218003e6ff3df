"""Training on texts, and using the trained networks."""
