"""Distributed training: several processes train one network, on the GPUs or cores of one machine or of many."""
