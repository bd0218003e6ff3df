"""From words and ``conf/`` to a checked configuration, by Hydra, before anything slow is imported."""
