"""A further process of a training, as `Children` starts it: its configuration comes by the standard input."""

import json
import os
import sys
import threading
import traceback

from convscope.commands import train
from convscope.config.train import TrainConfig
from convscope.console import is_silent
from convscope.distributed.failures import status_of
from convscope.errors import UserError
from convscope.masking import mask_text


def main() -> None:
    """Train together with the process that started this one, and end when that ends."""
    config = TrainConfig.model_validate(json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    status = 0
    try:
        train.run(config, ())
    except BaseException as error:
        if not is_silent():  # they have not found each other yet; later the first says it
            if isinstance(error, UserError):
                print(mask_text(f"error: {error}"), file=sys.stderr)
            else:
                print(mask_text("".join(traceback.format_exception(error))), end="", file=sys.stderr)
        status = status_of(error)
    sys.stderr.flush()
    os._exit(status)  # a library's thread could hold this process up


def _end_with_the_first() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written: it ends when whoever started this process does
    os._exit(1)


if __name__ == "__main__":
    main()
