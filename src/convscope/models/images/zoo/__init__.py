"""What the networks for images share: what an architecture is, and where a library has it."""
