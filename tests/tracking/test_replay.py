"""What a resumed run sends to a tracker from which nothing can be deleted: what it lacks, and nothing twice."""

from convscope.tracking.replay import Replay

ROWS = [(0, {"stage": 0.0, "epoch": 0.0}), (1, {"loss": 3.0, "epoch": 0.0}), (1, {"accuracy": 0.5, "epoch": 0.0})]
LATER = [(1, {"loss": 2.0}), (2, {"loss": 1.0, "epoch": 1.0})]


def pairs(rows: list[tuple[int, dict[str, float]]]) -> list[tuple[str, int]]:
    return [(name, step) for step, values in rows for name in values]


def test_a_tracker_that_has_what_is_kept_lacks_nothing() -> None:
    replay = Replay(pairs(ROWS))
    assert replay.missing(ROWS) == []
    assert [replay.new(values, step) for step, values in LATER] == [values for _, values in LATER]


def test_what_a_tracker_lacks_is_sent_part_by_part() -> None:
    assert Replay().missing(ROWS) == ROWS
    assert Replay([("loss", 1), ("epoch", 1), ("stage", 0)]).missing(ROWS) == [
        (0, {"epoch": 0.0}), (1, {"accuracy": 0.5, "epoch": 0.0}),
    ]  # fmt: skip


def test_what_followed_the_checkpoint_is_not_sent_again_and_what_follows_that_is() -> None:
    replay = Replay(pairs([*ROWS, *LATER]))
    assert replay.missing(ROWS) == []
    assert [replay.new(values, step) for step, values in LATER] == [{}, {}]
    assert replay.new({"loss": 1.0, "epoch": 1.0}, 2) == {"loss": 1.0, "epoch": 1.0}
    assert replay.new({"loss": 0.5}, 3) == {"loss": 0.5}
