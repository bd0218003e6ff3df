"""Image networks: one file per paper."""
