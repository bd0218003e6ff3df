"""convscope: train a convolutional network, and see what it learned."""

__version__ = "0.1.0"
