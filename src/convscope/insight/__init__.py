"""What a network is and does: pure functions on an nn.Module, usable without the rest of convscope."""
