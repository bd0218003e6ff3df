"""Transfer learning: which parameters train, in which mode, at which learning rate, and for how long."""
