"""``python benchmarks/killed_training.py STEPS WORDS...``: ``convscope WORDS``, killed after so many optimizer steps.

The steps are counted by torch's own hook, so that nothing of the package is touched, and the place is the same whatever
the speed. SIGKILL: nothing can be tidied up.
"""

import os
import runpy
import signal
import sys

from torch.optim.optimizer import register_optimizer_step_post_hook


def main(steps: int, words: list[str]) -> None:
    """Run the command until the step number ``steps``, from 1, is done."""
    done = 0

    def count(*_: object) -> None:
        nonlocal done
        done += 1
        if done == steps:
            os.kill(os.getpid(), signal.SIGKILL)

    register_optimizer_step_post_hook(count)
    sys.argv = ["convscope", *words]
    sys.path.pop(0)  # this folder, whose modules are called as others might be
    runpy.run_module("convscope", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
