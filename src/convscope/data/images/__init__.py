"""Images: their sources, decoding, resizing, augmentation, batches."""
