"""Several processes that train one network: a GPU each, or some cores each, on one machine or on many."""
