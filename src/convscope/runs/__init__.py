"""The folder of a run: its files, metrics and checkpoints, and how they are read back."""
