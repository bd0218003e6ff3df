"""A standard output that takes no more is answered in a line or silently, never with a traceback."""

import os
import subprocess
import sys

import pytest

COMMANDS = [["train", "--cfg", "job"], ["train", "--info", "all"], ["train", "--help", "model"], ["--help"], ["cache"]]


def start(arguments, stdout, buffered):
    return subprocess.Popen(
        [sys.executable, "-m", "convscope", *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"},
    )  # fmt: skip


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_full_disk_is_named(arguments, buffered):
    with open("/dev/full", "w") as full:
        command = start(arguments, full, buffered)
        _, err = command.communicate()
    assert (err, command.returncode) == ("error: cannot write to standard output: No space left on device\n", 1)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_closed_pipe_ends_a_command_silently(arguments):
    command = start(arguments, subprocess.PIPE, buffered=True)
    command.stdout.close()
    assert (command.stderr.read(), command.wait()) == ("", 1)


def test_a_closed_standard_output_is_as_one_that_nobody_reads(tmp_path):
    done = subprocess.run(
        ["sh", "-c", '"$0" -m convscope train --cfg job >&-', sys.executable], stderr=subprocess.PIPE, text=True
    )
    assert (done.stderr, done.returncode) == ("", 0)
