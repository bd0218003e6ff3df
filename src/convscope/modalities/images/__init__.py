"""What a training on images, and its use afterwards, do in their own way."""
