"""Tests of what the comparison of two commits finds between the folders of their runs, and what it must not find."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1]))
from benchmarks.renaming import Renaming
from benchmarks.run_differences import compare_folders

METRICS = "epoch,validation/loss,test/accuracy\n1,0.1,\n2,0.30000000000000004,\n,,0.5\n"
PREDICTIONS = "image,label,p(a)\ntest/0,a,0.75\ntest/1,b,0.25\n"
SUMMARY = {
    "metrics": {"test": {"accuracy": 0.5}},
    "best_by": "validation/loss",
    "transfer": {"stages": [{"name": "head", "steps": 4, "seconds": 1.5, "seconds_filling": 0.5}]},
    "seconds": {"total": 9.0},
    "overrides": ["folder=run"],
    "warnings": [],
    "environment": {"git_commit": "0" * 40, "precision": "fp32"},
}


def weights() -> dict[str, Any]:
    return {
        "epoch": 2,
        "state_dict": {"network.c1.weight": torch.arange(6.0).reshape(2, 3), "network.c1.bias": torch.zeros(2)},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}],
    }


def make_run(folder: Path, **files: Any) -> Path:
    """Make the folder of a run; ``files`` replaces the content of some files: ``metrics``, ``predictions`` ..."""
    for part in ("tables", "checkpoints"):
        (folder / part).mkdir(parents=True)
    (folder / "metrics.csv").write_text(files.get("metrics", METRICS))
    (folder / files.get("table", "tables/predictions.csv")).write_text(files.get("predictions", PREDICTIONS))
    (folder / "summary.json").write_text(json.dumps(files.get("summary", SUMMARY)))
    torch.save(files.get("weights", weights()), folder / "checkpoints/best.ckpt")
    return folder


@pytest.fixture
def difference_lines(tmp_path):
    """A function that makes a second run and returns what differs between it and the plain one."""
    old = make_run(tmp_path / "old")

    def compare(**files: Any) -> list[str]:
        return differences(old, make_run(tmp_path / "new", **files))

    return compare


def differences(*arguments: Any) -> list[str]:
    return [str(difference) for difference in compare_folders(*arguments).differences]


def summary_with(**changed: Any) -> dict[str, Any]:
    return SUMMARY | changed


def test_of_equal_runs_all_is_counted(tmp_path) -> None:
    compared = compare_folders(make_run(tmp_path / "old"), make_run(tmp_path / "new"))
    assert compared.differences == []
    assert (compared.scalars, compared.predictions, compared.cells, compared.tensors) == (5 + 5, 2, 6, 3)


def test_times_paths_and_revisions_do_not_count(difference_lines) -> None:
    stage = {"name": "head", "steps": 4, "seconds": 2.5, "seconds_filling": 1.5}
    other = summary_with(
        transfer={"stages": [stage]}, seconds={"total": 1.0}, overrides=["resume=run"],
        environment={"git_commit": "1" * 40, "precision": "fp32"},
    )  # fmt: skip
    assert difference_lines(summary=other) == []


def test_the_last_bit_of_a_cell(difference_lines) -> None:
    assert difference_lines(metrics=METRICS.replace("0.30000000000000004", "0.3")) == [
        "metrics.csv, row 2, column validation/loss: '0.30000000000000004' | '0.3'"
    ]


def test_a_cell_of_a_table(difference_lines) -> None:
    assert difference_lines(predictions=PREDICTIONS.replace("b,0.25", "a,0.25")) == [
        "tables/predictions.csv, row 2, column label: 'b' | 'a'"
    ]


def test_a_missing_row(difference_lines) -> None:
    assert difference_lines(predictions=PREDICTIONS.replace("test/1,b,0.25\n", "")) == [
        "tables/predictions.csv, number of rows: 2 | 1"
    ]


def test_a_missing_column_and_a_new_one(difference_lines) -> None:
    assert difference_lines(metrics=METRICS.replace("validation/loss", "validation/error")) == [
        "metrics.csv, column validation/loss: there | nothing",
        "metrics.csv, column validation/error: nothing | there",
    ]


def test_columns_may_stand_in_another_order(difference_lines) -> None:
    assert difference_lines(predictions="label,image,p(a)\na,test/0,0.75\nb,test/1,0.25\n") == []


def test_a_value_of_the_summary(difference_lines) -> None:
    assert difference_lines(summary=summary_with(metrics={"test": {"accuracy": 0.25}})) == [
        "summary.json, metrics.test.accuracy: 0.5 | 0.25"
    ]


def test_one_element_of_a_tensor(difference_lines) -> None:
    other = weights()
    other["state_dict"]["network.c1.weight"][1, 1] = 4.5
    assert difference_lines(weights=other) == [
        "checkpoints/best.ckpt, state_dict.network.c1.weight, 1 of 6 elements, the first at 4: 4.0 | 4.5"
    ]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (torch.tensor([0.0, -0.0]), "1 of 2 elements, the first at 1: 0.0 | -0.0"),
        (torch.zeros(2, dtype=torch.float64), "torch.float32 [2] | torch.float64 [2]"),
        (torch.zeros(2, 1), "torch.float32 [2] | torch.float32 [2, 1]"),
    ],
    ids=["sign of zero", "type", "shape"],
)
def test_a_tensor_that_is_equal_and_not_the_same(difference_lines, other: torch.Tensor, expected: str) -> None:
    changed = weights()
    changed["state_dict"]["network.c1.bias"] = other
    [difference] = difference_lines(weights=changed)
    assert difference.startswith("checkpoints/best.ckpt, state_dict.network.c1.bias")
    assert difference.endswith(expected)


def test_nan_is_the_same_as_nan(tmp_path) -> None:
    runs = []
    for name in ("old", "new"):
        holding = weights()
        holding["state_dict"]["network.c1.bias"][0] = float("nan")
        runs.append(make_run(tmp_path / name, weights=holding))
    assert compare_folders(*runs).differences == []


def test_the_optimizer_counts(difference_lines) -> None:
    other = weights()
    other["optimizer_states"][0]["param_groups"][0]["lr"] = 0.2
    other["optimizer_states"][0]["state"][0]["exp_avg"][0] = 2.0
    assert len(difference_lines(weights=other)) == 2


def test_the_first_difference_of_each_file_is_reported(tmp_path) -> None:
    other = weights()
    other["state_dict"]["network.c1.bias"][0] = 1.0
    changed = {"metrics": METRICS.replace("0.", "1."), "weights": other}
    compared = compare_folders(make_run(tmp_path / "old"), make_run(tmp_path / "new", **changed))
    expected = [
        "metrics.csv, row 1, column validation/loss: '0.1' | '1.1' ... 2 more in it",
        "checkpoints/best.ckpt, state_dict.network.c1.bias, 1 of 2 elements, the first at 0: 0.0 | 1.0",
    ]
    assert compared.first_of_files(2) == expected
    assert compared.first_of_files(1) == [expected[0], "... 1 more files differ"]


def test_a_missing_file(difference_lines) -> None:
    assert difference_lines(table="tables/answers.csv") == [
        "folder, file tables/predictions.csv: there | nothing",
        "folder, file tables/answers.csv: nothing | there",
        "folder, predictions to compare: 0 | 0",
    ]


def test_two_empty_folders_prove_nothing(tmp_path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    assert len(differences(tmp_path / "old", tmp_path / "new")) == 3


RENAMED = Renaming(
    {
        "validation/loss": "validation/error",
        "transfer.stages": "stages",
        "transfer.stages.*.steps": "stages.*.updates",
        "transfer.stages.*.seconds": "stages.*.took",
        "transfer.lr": "transfer.rate",
        "trainer=ddp": "trainer=processes",
        "network.c1": "network.first",
        "seconds": "took",
    },
    {"tables/predictions.csv": "answers/all.csv", "checkpoints": "weights", "summary.json": "end.json"},
)


def renamed_run(folder: Path) -> Path:
    stage = {"name": "head", "updates": 4, "took": 2.5, "seconds_filling": 1.5}
    summary = summary_with(best_by="validation/error", stages=[stage], took={"total": 7.0})
    del summary["transfer"], summary["seconds"]
    kept = weights()
    kept["state_dict"] = {name.replace("c1", "first"): value for name, value in kept["state_dict"].items()}
    run = make_run(folder, metrics=METRICS.replace("loss", "error"), summary=summary, weights=kept)
    (run / "summary.json").rename(run / "end.json")
    (run / "checkpoints").rename(run / "weights")
    (run / "answers").mkdir()
    (run / "tables/predictions.csv").rename(run / "answers/all.csv")
    return run


def test_what_has_another_name_is_compared(tmp_path) -> None:
    old, new, again = make_run(tmp_path / "old"), renamed_run(tmp_path / "new"), renamed_run(tmp_path / "again")
    compared = compare_folders(old, new, Renaming(), RENAMED)
    assert compared.differences == []
    assert (compared.scalars, compared.predictions, compared.cells, compared.tensors) == (5 + 5, 2, 6, 3)
    assert differences(new, again, RENAMED, RENAMED) == []
    assert differences(old, new) != []


def test_a_difference_below_another_name_is_found(tmp_path) -> None:
    old, new = make_run(tmp_path / "old"), renamed_run(tmp_path / "new")
    (new / "metrics.csv").write_text(METRICS.replace("loss", "error").replace("0.1", "0.2"))
    assert differences(old, new, Renaming(), RENAMED) == ["metrics.csv, row 1, column validation/loss: '0.1' | '0.2'"]


def test_no_two_names_become_one() -> None:
    with pytest.raises(ValueError, match="two names become one"):
        Renaming({"a": "c", "b": "c"})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("transfer.lr=1e-3,2e-3", "transfer.rate=1e-3,2e-3"),
        ("+transfer.lr=transfer.lr", "+transfer.rate=transfer.lr"),
        ("~transfer.lr", "~transfer.rate"),
        ("transfer.lr_end=1", "transfer.lr_end=1"),
        ("trainer=ddp", "trainer=processes"),
        ("trainer=cpu", "trainer=cpu"),
    ],
)
def test_overrides_are_translated(old: str, new: str) -> None:
    assert RENAMED.word(old) == new


def test_folders_of_jobs_are_translated() -> None:
    old = "seed=1,transfer.lr=0.001/checkpoints/best.ckpt"
    assert RENAMED.file(old) == "seed=1,transfer.rate=0.001/weights/best.ckpt"
    assert RENAMED.back.file(RENAMED.file(old)) == old
