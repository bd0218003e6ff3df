"""A sweep: many trainings from one line, in one folder, that can be killed and repeated at any time."""
