"""What images and texts do differently, behind one interface."""
