"""Training on images, and using the trained networks."""
