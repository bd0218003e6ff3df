"""The drawn hot dog scenes."""
