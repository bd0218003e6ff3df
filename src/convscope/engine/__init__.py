"""Training a network, from the resolved configuration to a complete run folder.

Stages, cached features, hardware, Lightning's Trainer, resuming, and the summary.
"""
