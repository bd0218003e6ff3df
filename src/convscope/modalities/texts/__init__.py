"""What a training on texts, and its use afterwards, do in their own way."""
