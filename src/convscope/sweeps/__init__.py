"""Sweeps: many trainings of one command line, in one folder; a sweep can be killed and repeated at any time."""
