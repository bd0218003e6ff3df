"""Progress bars on a terminal: their text, lines printed above them, and that a pipe gets none."""

import io
import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from rich.console import Console

from convscope import console
from convscope.callbacks.training_bar import TrainingBar


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    terminal_console = Console(file=io.StringIO(), force_terminal=True, width=100, soft_wrap=True)
    monkeypatch.setattr(console, "get_console", lambda: terminal_console)
    yield terminal_console
    console.set_quiet(False)


def shown(output: Console) -> str:
    """Return the output without control sequences."""
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", output.file.getvalue())  # type: ignore[attr-defined]


def test_a_bar_counts_the_batches_of_all_epochs(terminal: Console) -> None:
    trainer = SimpleNamespace(num_training_batches=4, max_epochs=3, current_epoch=1, num_test_batches=[7])
    bar = TrainingBar("head", lambda: terminal)
    bar.on_train_start(trainer, None)  # type: ignore[arg-type]
    bar.on_train_epoch_start(trainer, None)  # type: ignore[arg-type]
    bar.on_train_batch_end(trainer)  # type: ignore[arg-type]
    console.echo("a line")
    bar.on_train_end(trainer, None)  # type: ignore[arg-type]
    bar.teardown(trainer, None, "fit")  # type: ignore[arg-type]
    text = shown(terminal)
    assert re.search(r"head: epoch 2/3 \S+ +4/12 batches", text)  # four of the epoch before, which was resumed from
    assert re.search(r"head: analysing the network \S+ +5/12 batches", text)
    assert "a line\n" in text
    bar.on_test_start(trainer, None)  # type: ignore[arg-type]
    bar.on_exception(trainer, None, RuntimeError())  # type: ignore[arg-type]
    assert re.search(r"test \S+ +0/7 batches", shown(terminal))
    assert terminal.file.getvalue().count("\x1b[?25h") == 2  # type: ignore[attr-defined]  # the cursor is back


def test_steps_are_named_while_they_run(terminal: Console) -> None:
    steps = [("filters", 1), ("[bold]mistakes", 2)]
    assert list(console.track(steps, "analysing")) == [1, 2]
    text = shown(terminal)
    assert re.search(r"analysing: filters \S+ +0/2", text)
    assert re.search(r"analysing: \[bold]mistakes \S+ +1/2", text)


def test_neither_a_pipe_nor_a_quiet_terminal_gets_a_bar(terminal: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    console.set_quiet(True)
    assert list(console.track([("a", 1)], "analysing")) == [1]
    console.set_quiet(False)
    piped = Console(file=io.StringIO(), force_terminal=False)
    monkeypatch.setattr(console, "get_console", lambda: piped)
    assert list(console.track([("a", 1)], "analysing")) == [1]
    assert shown(terminal) == shown(piped) == ""
