"""The modalities, images and texts, behind one interface."""
