"""Networks for images: one file a paper."""
