"""The local web page of ``convscope serve``: checks of uploads, predictions of the network, and the page itself."""
