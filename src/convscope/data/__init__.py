"""Data sets, transforms and the LightningDataModules that serve them."""
