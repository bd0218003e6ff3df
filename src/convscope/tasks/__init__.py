"""LightningModules: what is minimised, and how it is measured."""
