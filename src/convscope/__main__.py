"""``python -m convscope``: the same as the console script."""

from convscope.cli.main import main

main()
