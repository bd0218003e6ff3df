"""A run's folder: its files, its metrics, its checkpoints, and reading it again."""
