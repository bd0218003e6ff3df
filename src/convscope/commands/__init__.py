"""The commands, one module each: its ``run`` takes a validated configuration, builds what it names, and runs it."""
