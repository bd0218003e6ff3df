"""``python -m convscope``: the same as the console script."""

from convscope.commands.cli import main

main()
