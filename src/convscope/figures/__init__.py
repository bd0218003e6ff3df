"""Figures, contact sheets and coloured texts: drawing alone."""
