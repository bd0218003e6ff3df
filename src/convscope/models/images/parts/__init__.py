"""Parts that several networks for images are built of."""
