"""A configuration is validated before anything slow is imported, and the message names the mistake."""

import os
import subprocess
import sys

import pytest
from places import ROOT

from convscope.cli.run_command import run_command
from convscope.commands.train import prepare_arguments
from convscope.composition import compose
from convscope.composition.jobs import Job
from convscope.config.train import TrainConfig
from convscope.errors import UserError


class Recorded:
    """Replaces a command: records the configurations that it is run with."""

    SCHEMA = TrainConfig
    prepare_arguments = staticmethod(prepare_arguments)

    def __init__(self) -> None:
        self.configs: list[TrainConfig] = []
        self.overrides: list[list[str]] = []

    def run(self, config, overrides) -> None:
        self.configs.append(config)
        self.overrides.append(list(overrides))


@pytest.fixture
def train(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convscope"])

    def run(*arguments: str) -> Recorded:
        command = Recorded()
        run_command("train", arguments, command)
        return command

    return run


def refusal(train, *arguments: str) -> str:
    with pytest.raises(UserError) as caught:
        train(*arguments)
    return str(caught.value)


def test_a_stage_is_given_what_its_file_leaves_to_all_stages(train):
    (config,) = train("transfer=head", "transfer.stages.0.epochs=3").configs
    assert config.transfer.stages[0].epochs == 3
    assert config.transfer.stages[0].lr == config.transfer.lr
    swept = train("--multirun", "transfer=head", "transfer.stages.0.lr=0.01,0.001").configs
    assert [config.transfer.stages[0].lr for config in swept] == [0.01, 0.001]


def test_defaults_are_valid(train):
    (config,) = train().configs
    assert config.model.name == "efficientnet_lite"
    assert config.data.name == "hotdog"
    assert config.transfer.name == "auto"


GROUPS = ["model", "data", "transfer", "callbacks", "logger", "trainer", "experiment", "debug", "sweep", "launcher"]
OPTIONS = [
    (group, file.stem)
    for group in GROUPS
    for file in sorted((compose.CONFIG_DIR / group).glob("*.yaml"))
    if not file.stem.startswith("_")
]


MODELS = [option for group, option in OPTIONS if group == "model"]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_is_valid(group, option):
    own = (f"{group}._target_=net.Net",) if option.startswith("own") else ()
    (config,) = compose.check_jobs("train", [Job((f"{group}={option}", *own), "")], None, TrainConfig)
    assert isinstance(config, TrainConfig)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "model=nope",
            f"model=nope: no such option; choose from: {', '.join(MODELS)}",
        ),
        (
            "transfer=sratch",
            "transfer=sratch: no such option; did you mean scratch? Choose from: auto, full, gradual, gradual_full, "
            "head, scratch, vectors",
        ),
        ("transfer.stages.7.lr=1e-3", "transfer.stages.7: no such index; they count from 0: transfer.stages.0"),
        ("transfer.stages.0.epoch=3", "transfer.stages.0.epoch: no such key; choose from: name, train"),
        ("transfer.stages.0.lr=-1", "transfer.stages.0.lr=-1: must be greater than 0"),
        ("model.dept=3", "model.dept: no such key; choose from: name, variant, weights"),
        ("+model.dept=3", "model.dept=3: no such key; choose from: name, weights, variant"),
        ("transfer.lr=abc", "transfer.lr=abc: must be a number"),
        ("transfer.lr=-1", "transfer.lr=-1: must be greater than 0"),
        ("data.batch_size=0", "data.batch_size=0: must be greater than or equal to 1"),
        ("data.workers=-3", "data.workers=-3: must be one of auto, or must be greater than or equal to 0"),
        ("data.source=foo", "data.source=foo: must be one of auto, folder, hub, generated"),
        ("seed=[", "seed=[: must be an integer"),
        ("model.depth", "model.depth: not of the form key=value"),
        ("transfer.epochs=${nope}", "transfer.epochs: Interpolation key 'nope' not found"),
        ("callbacks.checkpoint.mode=up", "callbacks.checkpoint.mode=up: must be one of min, max"),
        (
            "model=resnet,lenet5",
            "model=resnet,lenet5: several values; add --multirun to run each, or write model=[a,b] for a list",
        ),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(train, argument, message):
    assert refusal(train, argument) == message


def test_depth_is_checked_against_the_networks_that_exist(train):
    assert refusal(train, "model=resnet", "model.depth=20") == "model.depth=20: must be one of 10, 18, 34, 50, 101, 152"


def test_a_key_of_another_option_is_unknown(train):
    assert (
        refusal(train, "model=lenet5", "model.depth=18")
        == "model.depth: no such key; choose from: name, variant, weights"
    )


def test_several_mistakes_are_reported_together(train):
    message = refusal(train, "task.mixup=-1", "seed=x")
    assert message == "task.mixup=-1: must be greater than or equal to 0\nerror: seed=x: must be an integer"


@pytest.mark.parametrize(
    "path",
    ["/my photos/ä ö", "/it's/here", "C:\\photos\\", "~/x", "/a b/(c)", "/日本/写真", "/100%/x", "/a=b", "/a#b"],
)
def test_a_path_may_hold_blanks_and_letters_of_any_script(train, path):
    (config,) = train(f"data.root={path}").configs
    assert config.data.root == path


def test_several_loggers(train):
    (config,) = train("logger=[wandb,tensorboard]").configs
    assert config.logger.names == ["tensorboard", "wandb"]


def test_multirun_runs_every_combination(train):
    command = train("--multirun", "model=lenet5,lecture_cnn", "data=digits", "seed=1,2")
    assert [(c.model.name, c.seed) for c in command.configs] == [
        ("lenet5", 1),
        ("lenet5", 2),
        ("lecture_cnn", 1),
        ("lecture_cnn", 2),
    ]


def test_multirun_with_a_mistake_runs_nothing(train, monkeypatch):
    command = Recorded()
    with pytest.raises(UserError, match=r"^model=nope: no such option"):
        run_command("train", ["--multirun", "model=lenet5,nope"], command)
    with pytest.raises(UserError, match=r"^transfer.lr=-1: must be greater than 0$"):
        run_command("train", ["-m", "transfer.lr=1,-1"], command)
    assert command.configs == []


def test_a_failing_job_does_not_take_the_others_with_it(train):
    class FailsOnce(Recorded):
        def run(self, config, overrides):
            super().run(config, overrides)
            if config.seed == 1:
                raise UserError("no luck")

    command = FailsOnce()
    with pytest.raises(UserError, match=r"^no luck \(job: seed=1\)$"):
        run_command("train", ["--multirun", "seed=1,2,3"], command)
    assert [config.seed for config in command.configs] == [1, 2, 3]


def test_a_users_own_folder_adds_options(train, tmp_path):
    options = tmp_path / "own conf" / "experiment"
    options.mkdir(parents=True)
    (options / "mine.yaml").write_text("# @package _global_\ndefaults:\n  - override /model: lenet5\nseed: 7\n")
    (config,) = train("--config-dir", str(options.parent), "experiment=mine").configs
    assert (config.model.name, config.seed) == ("lenet5", 7)
    command = train("--config-dir", str(options.parent), "--multirun", "experiment=mine", "data=digits,mnist")
    assert [c.data.name for c in command.configs] == ["digits", "mnist"]


@pytest.mark.parametrize("multirun", [(), ("--multirun",)])
def test_the_folder_of_own_options_may_have_any_name_and_stand_last(train, tmp_path, multirun):
    file = tmp_path / "own ä, ü" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# @package _global_\nseed: 7\n")
    (config,) = train(*multirun, "experiment=mine", "--config-dir", "own ä, ü", "data=digits").configs
    assert (config.seed, config.data.name) == (7, "digits")
    with pytest.raises(UserError, match=r"^Additional config directory '.*/nowhere' not found$"):
        train(*multirun, "--config-dir", "nowhere", "data=digits")


def test_nothing_slow_is_imported_to_refuse_or_to_help():
    slow = {"torch", "torchvision", "pytorch_lightning", "timm", "wandb", "datasets", "matplotlib", "numpy"}
    for arguments in (["--help"], ["train", "model=nope"], ["train", "data.batch_size=0"], ["train", "--help"]):
        code = (
            "import sys\n"
            "from convscope.cli.main import main\n"
            f"try: main({arguments!r})\n"
            "except SystemExit as exit: print('status', exit.code)\n"
            f"print('slow', sorted({slow!r} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "slow []", arguments
        expected = 0 if "--help" in arguments else 2
        assert f"status {expected}" in done.stdout


def test_help_lists_the_options_of_each_group_and_no_internal_one(train, capsys):
    with pytest.raises(SystemExit) as ended:
        train("--help")
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "\ndata: ag_news, cifar10, digits," in out
    assert "\nlauncher: joblib, joblib_gpu, local," in out


def test_the_installed_configuration_is_this_one():
    assert ROOT / "conf" == compose.CONFIG_DIR


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("arguments", [["--help"], ["train", "--cfg", "job"], ["zoo", "--help"]])
def test_a_reader_that_stops_reading_ends_a_command_silently(arguments, buffered):
    command = subprocess.Popen(
        [sys.executable, "-m", "convscope", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"},
    )  # fmt: skip
    assert command.stdout is not None
    command.stdout.close()
    assert command.stderr is not None
    assert (command.stderr.read(), command.wait()) == ("", 1)
