"""The spans of the stages on the x-axis."""

from convscope.figures.curves import Span, counted_in_epochs, panels, points, stage_spans

STAGES = [{"name": "head", "epochs": 2}, {"name": "last block", "epochs": 3}]


def rows(*stages: int | None) -> list[dict[str, float]]:
    """A row of validation an epoch, ten steps long, with the number of its stage where there is one."""
    return [
        {"epoch": float(epoch), "step": epoch * 10.0 + 9, "validation/loss": 1.0}
        | ({} if stage is None else {"stage": float(stage)})
        for epoch, stage in enumerate(stages)
    ]


def test_the_stage_column_tells() -> None:
    logged = rows(0, 0, 1, 1, 1)
    assert stage_spans(logged, STAGES, by_epoch=True) == [Span("head", 1, 2.5), Span("last block", 2.5, 5)]
    assert stage_spans(logged, STAGES, by_epoch=False) == [Span("head", 9, 24), Span("last block", 24, 49)]


def test_a_stage_that_is_logged_once_lasts_until_the_next() -> None:
    logged = rows(0, None, 1, None, None)
    assert stage_spans(logged, STAGES, by_epoch=True) == [Span("head", 1, 2.5), Span("last block", 2.5, 5)]


def test_the_summary_tells_where_the_column_does_not() -> None:
    logged = rows(None, None, None, None, None)
    assert stage_spans(logged, STAGES, by_epoch=True) == [Span("head", 1, 2.5), Span("last block", 2.5, 5)]
    assert stage_spans(logged, STAGES, by_epoch=False) == []


def test_one_stage_is_not_shaded_and_an_unknown_one_has_its_number() -> None:
    assert stage_spans(rows(0, 0), STAGES, by_epoch=True) == []
    assert [span.name for span in stage_spans(rows(0, 1, 2), STAGES, by_epoch=True)] == [
        "head", "last block", "stage 3",
    ]  # fmt: skip


def test_points_and_panels() -> None:
    logged = [{"step": 3.0, "train/loss": 1.0}, {"step": 4.0, "train/loss": float("nan")}, {"train/mine": 2.0}]
    assert points(logged, "train/loss", by_epoch=False) == [(3.0, 1.0)]
    assert panels(logged) == ["loss", "mine"]
    assert not counted_in_epochs(logged, ["loss"])
    assert counted_in_epochs(rows(0, 0), ["loss"])
