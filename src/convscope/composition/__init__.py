"""Composes a validated configuration from overrides and ``conf/``, by Hydra, before anything slow is imported."""
