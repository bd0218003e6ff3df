"""Building blocks that several image networks share."""
