"""What a run in stages reports of its kept epoch, its times and its trained parameters is the same everywhere."""

import csv
import json
import re

import pytest
import torch

from convscope.callbacks.periodic_callback import PeriodicCallback

STAGES = (
    "transfer.stages=[{name: head, train: [head], epochs: 3, lr: 0.003},"
    "{name: last, train: [last_block], epochs: 2, lr: %s}]"
)
IMAGES = ("model=lenet5", "data=digits", "data.augmentation=none", "logger=csv", "transfer=scratch")
TEXTS = (
    "model=text_cnn", "model.dimension=16", "model.maps=8", "data=movie_reviews", "data.source=generated",
    "data.generated.train=120", "data.generated.validation=40", "data.generated.test=40", "logger=csv",
)  # fmt: skip
LAYERS = {"c1": 156, "c3": 2416, "c5": 48_120, "f6": 10_164, "output": 850}  # parameters, by hand


def summary_of(run):
    return json.loads((run / "summary.json").read_text())


def rows_of(file):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def adds_up(summary):
    parts = {name: seconds for name, seconds in summary["seconds"].items() if name != "total"}
    stages = summary["transfer"]["stages"]
    assert sum(parts.values()) == pytest.approx(summary["seconds"]["total"], rel=1e-12)
    assert sum(stage["seconds"] for stage in stages) == pytest.approx(parts["training"], rel=1e-12)
    assert sum(stage["seconds_extracting_features"] for stage in stages) <= parts["extracting_features"]
    assert sum(stage["seconds_insight"] for stage in stages) <= parts.get("insight", 0.0)


def kept_in_file(run, stages):
    """Return the epoch of the run, counted from 1, whose weights are in ``best.ckpt``."""
    best = torch.load(run / "checkpoints/best.ckpt", weights_only=True)
    return sum(stage["epochs"] for stage in stages[: best["stage"]]) + best["epoch"] + 1


@pytest.mark.parametrize(
    ("options", "later"),
    [
        (("0.001",), True),
        # a learning rate that ruins the network: the weights of the first stage are kept
        (("20",), False),
        (("0.001", "callbacks.checkpoint.monitor=validation/loss", "callbacks.checkpoint.mode=min"), True),
    ],
)
def test_the_kept_epoch_is_the_same_everywhere(convscope, tmp_path, options, later):
    ended = convscope("train", *IMAGES, STAGES % options[0], *options[1:], "callbacks=none", "folder=run")
    assert ended.status == 0, ended.err
    run, summary = tmp_path / "run", summary_of(tmp_path / "run")
    stages, monitor = summary["transfer"]["stages"], summary["best_by"]
    validated = [row for row in rows_of(run / "metrics.csv") if row["validation/loss"]]
    assert [int(row["epoch"]) for row in validated] == [1, 2, 3, 4, 5]
    values = [float(row[monitor]) for row in validated]
    pick = min if monitor.endswith("loss") else max
    latest = {end: max(at + 1 for at in range(end) if values[at] == pick(values[:end])) for end in (3, 5)}
    assert [stage["best_epoch"] for stage in stages] == [latest[3], latest[5]]
    assert summary["best_epoch"] == latest[5] == kept_in_file(run, stages)
    assert (summary["best_epoch"] > 3) is later
    row = validated[latest[5] - 1]
    for name, value in summary["metrics"]["validation"].items():
        assert value == float(row[f"validation/{name}"])
    assert f"kept     epoch {latest[5]} of 5, by {monitor}" in ended.out
    assert re.findall(r"^epoch (\d+)/(\d+)", ended.out, re.MULTILINE) == [
        ("1", "3"), ("2", "3"), ("3", "3"), ("4", "5"), ("5", "5"),
    ]  # fmt: skip
    page = (run / "report.html").read_text()
    assert f"<dd>{latest[5]} of 5, by {monitor}</dd>" in page
    for name in ("loss", "accuracy"):
        assert f"{name}: {float(row[f'validation/{name}']):.4g} at epoch {latest[5]} (kept)" in page
    (test,) = [row for row in rows_of(run / "metrics.csv") if row.get("test/accuracy")]
    assert test["epoch"] == "5"
    adds_up(summary)


def test_the_best_epoch_of_a_stage_that_ends_early(convscope, tmp_path):
    overrides = ("transfer=head", "transfer.weights=any", "transfer.epochs=30", "transfer.patience=1", "transfer.lr=10")
    assert convscope("train", *IMAGES[:4], *overrides, "callbacks=none", "folder=run").status == 0
    summary = summary_of(tmp_path / "run")
    (stage,) = summary["transfer"]["stages"]
    assert (
        stage["best_epoch"] == summary["best_epoch"] == kept_in_file(tmp_path / "run", [stage]) < stage["epochs"] < 30
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [IMAGES[:4], TEXTS],
    ids=["images", "texts"],
)
def test_the_last_maps_are_those_of_the_kept_weights(convscope, tmp_path, monkeypatch, data):
    analysed = []
    analyse = PeriodicCallback._analyse_timed

    def noted(self, step, moment):
        analysed.append((moment, {name: value.clone() for name, value in self.network.state_dict().items()}))
        analyse(self, step, moment)

    monkeypatch.setattr(PeriodicCallback, "_analyse_timed", noted)
    # a learning rate that ruins what the first stage has learnt
    head, ruin = "{name: head, train: [head], epochs: 2, lr: 0.003}", "{name: all, train: [all], epochs: 1, lr: 20}"
    stages = f"transfer.stages=[{head},{ruin}]"
    best_by = ("callbacks.checkpoint.monitor=validation/loss", "callbacks.checkpoint.mode=min")
    shown = "callbacks.saliency.images=2"
    ended = convscope("train", *data, "transfer=scratch", stages, *best_by, shown, "folder=run")
    assert ended.status == 0, ended.err
    kept = summary_of(tmp_path / "run")["best_epoch"]
    assert kept < 3
    assert [moment for moment, _ in analysed] == ["after 2 epochs", "after 3 epochs", f"kept: epoch {kept}"]
    best = torch.load(tmp_path / "run/checkpoints/best.ckpt", weights_only=True)["state_dict"]
    same = [all(torch.equal(best[f"network.{name}"], value) for name, value in state.items()) for _, state in analysed]
    assert same == [kept == 2, False, True]
    assert re.search(rf"^all .* {kept} \(of stage head\)", ended.out, re.MULTILINE)
    assert f">{kept} (of stage head)</td>" in (tmp_path / "run/report.html").read_text()


@pytest.mark.slow
def test_each_table_counts_what_its_own_stage_trains(convscope, tmp_path):
    ended = convscope("train", *IMAGES, STAGES % "0.001", "callbacks=default", "folder=run")
    assert ended.status == 0, ended.err
    run, summary = tmp_path / "run", summary_of(tmp_path / "run")
    trained = {"parameters": ["output"], "parameters_stage_2": ["c5", "f6"]}
    for stage, (name, layers) in zip(summary["transfer"]["stages"], trained.items(), strict=True):
        rows = {row["layer"]: row for row in rows_of(run / f"tables/{name}.csv") if int(row["parameters"])}
        assert {layer: int(row["parameters"]) for layer, row in rows.items()} == LAYERS
        own = {layer: LAYERS[layer] if layer in layers else 0 for layer in LAYERS}
        assert {layer: int(row["trainable"]) for layer, row in rows.items()} == own
        blocks = rows_of(run / f"tables/{name.replace('parameters', 'parameters_by_block')}.csv")
        assert sum(int(row["trainable"]) for row in blocks) == sum(own.values()) == stage["trainable_parameters"]
    adds_up(summary)
    assert summary["seconds"]["insight"] > 0
    assert "analysing the network" in ended.out


@pytest.mark.slow
def test_a_resumed_run_takes_as_long_as_its_processes_together(convscope, tmp_path, monkeypatch):
    from convscope.callbacks.checkpoints import BestAndLastCheckpoint

    write = BestAndLastCheckpoint.write

    def write_and_end(self, trainer, module):
        first_epoch_is_written = self._pending is not None and trainer.global_step > 0
        write(self, trainer, module)
        if self.stage == 1 and first_epoch_is_written:
            raise KeyboardInterrupt

    every = "callbacks.checkpoint.every_seconds=0"
    overrides = (*IMAGES, STAGES % "0.001", "callbacks=none", every, "folder=run")
    with monkeypatch.context() as patched:
        patched.setattr(BestAndLastCheckpoint, "write", write_and_end)
        assert convscope("train", *overrides).status != 0
    run = tmp_path / "run"
    assert not (run / "summary.json").exists()
    file = run / "checkpoints/seconds.json"
    noted = json.loads(file.read_text())
    assert noted["stage 1"]["own"] > 0
    assert noted["stage 2"]["own"] > 0
    noted["stage 2"]["own"] += 1000
    noted["preparation"]["own"] += 200
    file.write_text(json.dumps(noted))
    before = sum(seconds for parts in noted.values() for seconds in parts.values())
    ended = convscope("train", "resume=run")
    assert ended.status == 0, ended.err
    summary = summary_of(run)
    adds_up(summary)
    assert summary["seconds"]["total"] > before
    assert summary["transfer"]["stages"][1]["seconds"] > 1000
    assert summary["transfer"]["stages"][0]["seconds"] == pytest.approx(noted["stage 1"]["own"])
    assert summary["seconds"]["preparation"] > 200
    assert summary["best_epoch"] == kept_in_file(run, summary["transfer"]["stages"])


def test_a_training_that_diverges_names_the_epoch_of_the_run(convscope):
    ended = convscope("train", *IMAGES, STAGES % "1e6", "callbacks=none")
    assert ended.status == 2
    message = "the training diverged; lower the rate of the stage last: transfer.stages.1.lr below 1e+06"
    assert f"the training loss is nan in epoch 4: {message}" in ended.err
