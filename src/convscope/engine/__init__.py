"""One training, from its request to a complete folder: stages, features, hardware, trainer, resume, summary."""
