"""``sweep.zip``: the values of some swept keys go together, and are crossed with those of the others."""

import sys
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.cli.run_command import run_command
from convscope.composition.jobs import make_jobs, parse_overrides, sweep_name
from convscope.config.train import TrainConfig
from convscope.errors import UserError
from convscope.runs.run_folder import RunFolder


class Pretended:
    """Stands in for ``train``: writes the files of a run."""

    SCHEMA = TrainConfig
    RESUMABLE_SWEEPS = True

    def __init__(self) -> None:
        self.ran: list[tuple[int, float, int]] = []

    def run(self, config, overrides):
        from convscope.runs.naming import run_path

        self.ran.append((config.model.depth, config.transfer.lr, config.seed))
        folder = RunFolder(config.resume or run_path(config))
        folder.create(resume=True).write_config(f"# convscope train {' '.join(overrides)}\n")
        metrics = {"validation": {"accuracy": 0.5}, "test": {"accuracy": 0.5, "loss": 1.0}}
        folder.write_summary({"status": "completed", "overrides": list(overrides), "metrics": metrics})


@pytest.fixture
def train(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convscope"])
    command = Pretended()

    def run(*arguments: str) -> list[tuple[int, float, int]]:
        before = len(command.ran)
        run_command("train", ["model=resnet", "transfer=scratch", "data=digits", *arguments], command)
        return command.ran[before:]

    return run


SWEPT = ("--multirun", "model.depth=18,50", "transfer.lr=1e-3,3e-4")
ZIPPED = (*SWEPT, "sweep.zip=[model.depth,transfer.lr]")


def test_the_values_go_together_and_are_crossed_with_the_others(train, tmp_path):
    assert train(*ZIPPED, "seed=1,2") == [(18, 1e-3, 1), (18, 1e-3, 2), (50, 3e-4, 1), (50, 3e-4, 2)]
    (sweep,) = (tmp_path / "outputs/sweeps").iterdir()
    assert {path.name for path in sweep.glob("*/")} == {
        f"model.depth={depth},seed={seed},transfer.lr={lr}"
        for depth, lr in ((18, "0.001"), (50, "0.0003"))
        for seed in (1, 2)
    }
    rows = (sweep / "comparison.csv").read_text().splitlines()
    assert rows[0].startswith("run,model.depth,transfer.lr,seed,status,")
    assert len(rows) == 5


@pytest.mark.slow
def test_the_same_command_finds_what_is_done_and_one_more_pair_is_run(train, tmp_path):
    train(*ZIPPED)
    assert train(*ZIPPED) == []
    more = ("--multirun", "model.depth=18,50,34", "transfer.lr=1e-3,3e-4,1e-4", "sweep.zip=[model.depth,transfer.lr]")
    assert train(*more) == [(34, 1e-4, 0)]
    assert train(*SWEPT) == [(18, 3e-4, 0), (50, 1e-3, 0)]  # crossed: the pairs are among the combinations
    (sweep,) = (tmp_path / "outputs/sweeps").iterdir()
    assert (sweep / "comparison.csv").read_text().startswith("run,model.depth,transfer.lr,status,")


@pytest.mark.slow
def test_several_groups_are_crossed_with_each_other(train):
    groups = "sweep.zip=[[model.depth,transfer.lr],[seed,task.mixup]]"
    ran = train(*SWEPT, "seed=1,2", "task.mixup=0.1,0.2", groups)
    assert ran == [(18, 1e-3, 1), (18, 1e-3, 2), (50, 3e-4, 1), (50, 3e-4, 2)]


def test_a_file_may_name_the_groups(train, tmp_path):
    (tmp_path / "own/sweep").mkdir(parents=True)
    (tmp_path / "own/sweep/pairs.yaml").write_text("defaults: [grid, _self_]\nzip: [model.depth, transfer.lr]\n")
    assert train(*SWEPT, "--config-dir", "own", "sweep=pairs") == [(18, 1e-3, 0), (50, 3e-4, 0)]


@pytest.mark.slow
def test_a_value_may_be_given_to_several_pairs(train):
    assert train("-m", "model.depth=18,18,50", "transfer.lr=1e-3,3e-4,1e-3", ZIPPED[-1]) == [
        (18, 1e-3, 0), (18, 3e-4, 0), (50, 1e-3, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-m", "model.depth=18,50", "transfer.lr=1,2,3", ZIPPED[-1]),
         "sweep.zip: keys that go together need equally many values: model.depth has 2, transfer.lr has 3"),
        (("-m", "model.depth=18,50", ZIPPED[-1]),
         "sweep.zip: transfer.lr has no values to choose from; write several, as in transfer.lr=A,B"),
        (("-m", "model.depth=18,50", "transfer.lr=1", ZIPPED[-1]),
         "sweep.zip: transfer.lr has no values to choose from; write several, as in transfer.lr=A,B"),
        ((*SWEPT, "sweep.zip=[seed]", "seed=1,2"),
         "sweep.zip: seed stands alone; name the keys that its values go with, or leave it out"),
        ((*SWEPT, "sweep.zip=[[model.depth,transfer.lr],[seed,transfer.lr]]", "seed=1,2"),
         "sweep.zip: transfer.lr stands there twice; each key goes into one group"),
        ((*SWEPT, "sweep.zip=[model.depth,transfer.lr],[seed,data.batch_size]"),
         "sweep.zip=[model.depth,transfer.lr],[seed,data.batch_size]: several groups stand in one list: "
         "sweep.zip=[[model.depth,transfer.lr],[seed,data.batch_size]]"),
        ((*SWEPT, "sweep.zip=model.depth"),
         "sweep.zip=model.depth: must be a list of keys, as in [model.depth,transfer.lr], or a list of such lists"),
        ((*SWEPT, "sweep.zip=[model.depth,[transfer.lr]]"),
         "sweep.zip=[model.depth,[transfer.lr]]: must be a list of keys, as in [model.depth,transfer.lr], or a list of "
         "such lists"),
        ((*SWEPT, "transfer.lr=1,2", ZIPPED[-1]),
         "sweep.zip: transfer.lr is given values twice: transfer.lr=1e-3,3e-4 transfer.lr=1,2"),
        ((*ZIPPED, "sweep=tpe"),
         "sweep.zip=[model.depth,transfer.lr]: goes with sweep=grid; sweep=tpe chooses each key's value by itself"),
        ((*ZIPPED, "sweep=random"),
         "sweep.zip=[model.depth,transfer.lr]: goes with sweep=grid; sweep=random chooses each key's value by itself"),
        (("model.depth=18", ZIPPED[-1]), "sweep.zip: is for the jobs of a sweep; add --multirun"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(train, arguments, message, tmp_path):
    with pytest.raises(UserError) as caught:
        train(*arguments)
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=4, unique=True), min_size=2, max_size=4))
def test_jobs_are_those_of_the_full_sweep_in_which_the_values_go_together(values):
    keys = [f"k{number}" for number in range(len(values))]
    rows = list(zip(values[0], reversed(values[0]), strict=True))
    words = [f"{key}={','.join(map(str, one))}" for key, one in zip(keys, values, strict=True)]
    words.insert(1, f"partner={','.join(str(second) for _, second in rows)}")
    choices = parse_overrides(words)
    jobs = make_jobs(choices, [["k0", "partner"]])
    crossed = {job.overrides for job in make_jobs(choices)}
    assert {job.overrides for job in jobs} <= crossed
    assert [job.overrides for job in jobs] == [
        (f"k0={first}", f"partner={second}", *(f"{key}={one}" for key, one in zip(keys[1:], others, strict=True)))
        for (first, second), *others in product(rows, *values[1:])
    ]
    assert len({job.name for job in jobs}) == len(jobs)


def test_the_name_of_a_sweep_does_not_depend_on_which_values_go_together():
    assert sweep_name(parse_overrides([*ZIPPED[1:]])) == sweep_name(parse_overrides([*SWEPT[1:]]))
