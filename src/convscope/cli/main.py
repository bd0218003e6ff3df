"""``convscope COMMAND ...``: finds and runs the command, and reports a mistake of the user in one line."""

import errno
import gc
import importlib
import os
import select
import signal
import sys

import convscope
from convscope.cli.shell_completion import answer_shell
from convscope.console import is_silent
from convscope.distributed.failures import OtherProcessError, exit_status
from convscope.errors import Interrupted, UserError
from convscope.masking import mask_text, masking_excepthook

COMMANDS = {
    "new": "write a small project of your own: convscope new my_project",
    "train": "train a network, and write its results to a folder",
    "compare": "the runs of a sweep side by side, best first",
    "evaluate": "score the weights of a run on its test split or on other data",
    "serve": "a local page: drop an image, see the class and where the network looked",
    "explain": "which pixels were the evidence for a run's answers; or an example step by step: topic=max_pool",
    "describe": "a network layer by layer: parameters, multiply-adds, receptive fields",
    "zoo": "list the networks: their year, cost, receptive field, weights",
    "schema": "write JSON schemas of conf/, by which an editor completes and checks keys",
    "dashboard": "lay out a project in wandb",
    "cache": "list the cached images, texts and features, or remove them",
}

HELP = """\
convscope: train a convolutional network, and see what it learned.

usage: convscope COMMAND [key=value ...] [--multirun] [--config-dir FOLDER]

commands:
{commands}

  convscope train model=resnet data=hotdog     a training; its folder appears under outputs/
  convscope train --multirun model=resnet,lenet5 data=digits
  convscope COMMAND --help                     every option and key of a command
  convscope COMMAND --help model               the options of a group; also of an option, model=resnet, or of a key
  convscope COMMAND --cfg job                  the configuration that a command would use
  eval "$(convscope -sc install=bash)"         complete commands, options and keys by Tab; also zsh and fish
"""


def main(arguments: list[str] | None = None) -> None:
    """Run the command that ``arguments`` (default: those of the process) name, and exit with its status.

    Exit status: 0 success, 1 a failure of the program, 2 a mistake of the user, 130 interrupted by Ctrl-C; 128 plus
    the number of the signal if a signal ended the command and all that a resume needs is on disk.
    """
    if sys.stdout is None:  # closed by the shell: `convscope zoo >&-`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process runs
    try:
        try:
            _main(sys.argv[1:] if arguments is None else arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _reader_is_gone():
            raise
        # as in `convscope train --help | head`: nobody reads the rest
        _discard_output()
        sys.exit(1)
    except OSError as error:
        if not _output_is_full(error):
            raise
        _discard_output()
        print(f"error: cannot write to standard output: {error.strerror}", file=sys.stderr)
        sys.exit(1)


def _discard_output() -> None:
    """Send standard output nowhere, so that the interpreter does not fail to flush it when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _output_is_full(error: OSError) -> bool:
    """Return whether ``error`` came of standard output, which is on a full disk."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT) or error.filename is not None:
        return False
    try:
        print(flush=True)
    except OSError as again:
        return again.errno == error.errno
    return False


def _reader_is_gone() -> bool:
    """Return whether standard output is a pipe whose reading end is closed."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _main(arguments: list[str]) -> None:
    match arguments:
        case [] | ["-h" | "--help" | "help", *_]:
            lines = (f"  {name:<10} {summary}" for name, summary in COMMANDS.items())
            print(HELP.format(commands="\n".join(lines)), end="")
            sys.exit(0)
        case ["--version", *_]:
            print(convscope.__version__)
            sys.exit(0)
    command, *rest = arguments
    sys.excepthook = masking_excepthook
    try:
        completion = answer_shell(arguments, COMMANDS)
        if completion is not None:
            print(completion, end="")
            sys.exit(0)
        if command not in COMMANDS:
            raise UserError(f"{command}: no such command; choose from: {', '.join(COMMANDS)}")
        _run(command, rest)
    except UserError as error:
        print(mask_text(f"error: {error}"), file=sys.stderr)
        sys.exit(2)
    except OtherProcessError as error:
        print(mask_text(f"error: {error}"), file=sys.stderr)
        sys.exit(1)
    except Interrupted as error:
        # the process is ending already: a second Ctrl-C must not interrupt the exit handlers of libraries
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(mask_text(str(error)), file=sys.stderr)
        sys.exit(128 + error.signal)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        # Threads of libraries (trackers, data loaders) would keep an interrupted process alive.
        sys.stdout.flush()
        os._exit(130)


def _run(command: str, arguments: list[str]) -> None:
    gc.disable()  # until the command itself runs: to collect takes a tenth of an error's time (benchmarks/start_up.py)
    from convscope.cli.run_command import run_command

    try:
        run_command(command, arguments, importlib.import_module(f"convscope.commands.{command}"))
    except BaseException as error:
        if not is_silent():
            raise
        # rank 0 prints the error; a library's thread could keep this process alive
        os._exit(exit_status(error))
    finally:
        gc.enable()
