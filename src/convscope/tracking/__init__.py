"""Experiment tracking: logs scalars, figures, images and tables to the run's folder and to every tracker."""
