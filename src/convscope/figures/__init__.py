"""Drawing of figures, contact sheets and coloured texts. Nothing here computes metrics or runs networks."""
