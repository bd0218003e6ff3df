"""The local page of ``convscope serve``: what comes in, what is answered, and how it is shown."""
