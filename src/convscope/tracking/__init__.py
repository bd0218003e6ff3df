"""One way to log a figure, an image, a table to any tracker and to the run's folder; and the report."""
