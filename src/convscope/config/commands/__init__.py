"""The settings of each command but ``train``, whose settings are those of a training."""
