"""LightningModules for classification: losses, metrics and training steps."""
