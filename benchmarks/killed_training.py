"""``python benchmarks/killed_training.py STEPS ARGUMENTS...``: kill ``convscope ARGUMENTS`` after STEPS steps.

The steps are counted by torch's own hook, so that nothing of the package is patched, and the moment is the same at any
speed. It is ended by SIGKILL, so that nothing can be tidied up.
"""

import os
import runpy
import signal
import sys

from torch.optim.optimizer import register_optimizer_step_post_hook


def main(steps: int, arguments: list[str]) -> None:
    """Run the command until the optimizer step number ``steps``, counted from 1, is done."""
    done = 0

    def count(*_: object) -> None:
        nonlocal done
        done += 1
        if done == steps:
            os.kill(os.getpid(), signal.SIGKILL)

    register_optimizer_step_post_hook(count)
    sys.argv = ["convscope", *arguments]
    sys.path.pop(0)  # this folder, whose modules would hide others of the same name
    runpy.run_module("convscope", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
