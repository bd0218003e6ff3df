"""Entry point of a further process of a training.

`ChildProcesses` starts it, with its configuration on standard input.
"""

import json
import os
import sys
import threading
import traceback

from convscope.commands import train
from convscope.composition.own_code import search_working_folder
from convscope.composition.plugins import load_plugins
from convscope.config.train import TrainConfig
from convscope.console import is_silent
from convscope.distributed.failures import exit_status
from convscope.errors import UserError
from convscope.masking import mask_text


def main() -> None:
    """Train together with the process that started this one, and end when it ends."""
    search_working_folder()
    settings = json.loads(sys.stdin.buffer.readline())
    load_plugins(settings)
    config = TrainConfig.model_validate(settings)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    status = 0
    try:
        train.run(config, ())
    except BaseException as error:
        if not is_silent():  # the process group does not exist yet; once it does, rank 0 prints the error
            if isinstance(error, UserError):
                print(mask_text(f"error: {error}"), file=sys.stderr)
            else:
                print(mask_text("".join(traceback.format_exception(error))), end="", file=sys.stderr)
        status = exit_status(error)
    sys.stderr.flush()
    os._exit(status)  # a library's thread could keep this process alive


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing more is ever written: it returns when the parent process ends
    os._exit(1)


if __name__ == "__main__":
    main()
