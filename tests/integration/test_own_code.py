"""Code of the user's own, by ``_target_`` and by plugins: in trainings, sweeps, and after them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from own_code import own_project

TRAINED = ("transfer.epochs=1", "logger=csv", "trainer.threads=1")
SLOW = pytest.mark.slow
ALL_OF_ONE_PLUGIN = (
    "plugins=[own_options]", "model=own_tiny", "model.width=4", "data=own_squares", "transfer=own_transfer",
    "transfer.factor=0.25", "transfer.optimizer=own_optimizer", "transfer.optimizer.beta=0.5",
    "transfer.schedule=own_schedule", "data.augmentation=own_invert", "task.loss=own_focal", "task.loss.gamma=1",
    "task.metrics.kappa=own_kappa", "callbacks.extra.hello=own_hello", "callbacks.extra.hello.text=good_morning",
    "logger=csv", "trainer.threads=1", "callbacks=none",
)  # fmt: skip


@pytest.fixture(autouse=True)
def project(tmp_path: Path) -> Iterator[Path]:
    with own_project(tmp_path) as folder:
        yield folder


def summary(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


@pytest.mark.parametrize(
    ("network", "data"),
    [
        pytest.param("Net", "digits", marks=SLOW),
        pytest.param("plain", "digits", marks=SLOW),
        ("Functional", "digits"),
        pytest.param("Tuple", "digits", marks=SLOW),
        pytest.param("Optional", "digits", marks=SLOW),
        pytest.param("Untraceable", "digits", marks=SLOW),
    ],
)
def test_networks_of_any_shape_train_and_are_analysed(convscope, project, network, data):
    ended = convscope("train", f"model._target_=own_networks.{network}", f"data={data}", *TRAINED, "folder=run")
    assert ended.status == 0, ended.err
    assert "Traceback" not in ended.err
    found = summary(project / "run")
    assert found["model"]["name"] == network
    no_map = (
        "grad_cam: the network has no layer that puts out a feature map (N, C, H, W) of more than one position (it is "
        "left out of figures and tables)"
    )
    left_out = [no_map] if network == "Functional" else []
    assert found["warnings"] == left_out
    for file in ("saliency/maps", "mistakes/worst_maps"):
        assert (project / f"run/media/{file}.png").is_file(), file
    assert (project / "run/report.html").is_file()
    assert {"receptive_field.csv", "faithfulness.csv"} <= {
        file.name for file in (project / "run/tables").rglob("*.csv")
    }
    saved = yaml.safe_load((project / "run/config.yaml").read_text())
    assert saved["model"]["_target_"] == f"own_networks.{network}"


@SLOW
def test_a_network_of_several_inputs_trains_and_what_is_left_out_is_said(convscope, project):
    ended = convscope(
        "train", "model._target_=own_networks.TwoInputs", "data._target_=own_data.Module", "data.inputs=2", *TRAINED,
        "folder=run",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    for left_out in ("saliency maps", "the effective receptive field", "the analysis of the network"):
        assert f"{left_out}: left out, since the network takes 2 inputs and not an image alone" in ended.out
    ended = convscope("train", "model._target_=own_networks.TwoInputs", "data=digits", *TRAINED)
    assert ended.status == 2
    assert "own_networks.TwoInputs.forward needs 2 inputs (x, shift), and the data gives images alone" in ended.err


@SLOW
def test_stages_cut_and_cache_an_own_network_as_the_zoos(convscope, project, tmp_path):
    options = ("model._target_=own_networks.Net", "data=digits", "transfer=gradual", "transfer.weights=any",
               "transfer.stages.0.epochs=2", "transfer.stages.1.epochs=1", "data.augmentation=none", "logger=csv",
               "trainer.threads=1", "callbacks=none")  # fmt: skip
    ended = convscope("train", *options, "folder=cached")
    assert ended.status == 0, ended.err
    stages = summary(project / "cached")["transfer"]["stages"]
    assert [stage["cached"] for stage in stages] == [True, True]
    assert convscope("train", *options, "folder=plain", "cache.features=false").status == 0
    weights = [
        torch.load(project / name / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("cached", "plain")
    ]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-4, atol=1e-5)


@SLOW
def test_changed_source_finds_no_features_of_before(convscope, project):
    """The body is one opaque call to the tracer, whose code the graph does not show."""
    options = ("model._target_=own_changing.Net", "data=digits", "transfer=head", "transfer.weights=any", *TRAINED,
               "data.augmentation=none", "callbacks=none")  # fmt: skip
    text = (project / "own_networks.py").read_text()
    accuracies = []
    for number, activation in enumerate(("nn.ReLU()", "nn.Identity()", "nn.ReLU()")):
        opaque = text.replace("nn.BatchNorm2d(width), nn.ReLU())", f"nn.BatchNorm2d(width), {activation})")
        (project / "own_changing.py").write_text(opaque.replace("class Net(", "class Inner(").replace(
            "def plain(", "class Net(Inner):\n    pass\n\n\ndef plain("))  # fmt: skip
        sys.modules.pop("own_changing", None)
        assert convscope("train", *options, f"folder=run{number}").status == 0
        accuracies.append(summary(project / f"run{number}")["metrics"]["test"])
    sys.modules.pop("own_changing", None)
    assert accuracies[0] == accuracies[2] != accuracies[1]


@SLOW
def test_an_own_run_is_used_only_if_the_user_names_its_code(convscope, project):
    options = ("model._target_=own_networks.Net", "data._target_=own_data.squares", *TRAINED, "callbacks=none")
    assert convscope("train", *options, "folder=run").status == 0
    expected = summary(project / "run")["metrics"]["test"]["accuracy"]
    refused = convscope("evaluate", "run=run")
    assert refused.status == 2
    assert refused.err == (
        "error: run=run: names code of the packages own_networks and own_data (model._target_=own_networks.Net, "
        "data._target_=own_data.squares), which is not imported, since a run's folder may come from somebody else; if "
        "you trust it, add trust=[own_networks,own_data]\n"
    )
    ended = convscope("evaluate", "run=run", "trust=[own_networks,own_data]")
    assert ended.status == 0, ended.err
    assert f"accuracy {expected:.4f}" in ended.out
    explained = convscope("explain", "run=run", "trust=[own_networks,own_data]", "max_images=2")
    assert explained.status == 0, explained.err
    assert convscope("explain", "run=run").status == 2


@pytest.mark.parametrize("named", ["os.system", "logging.os.system", "functools.partial", "own_evil.Net"])
def test_a_foreign_run_imports_and_calls_nothing(convscope, project, named):
    (project / "own_evil.py").write_text("import pathlib; pathlib.Path('imported').touch()\n")
    run = project / "foreign"
    (run / "checkpoints").mkdir(parents=True)
    node = {"_target_": named, "command": "touch called", "_args_": ["touch called"]}
    config = {"model": node, "data": {"name": "digits"}, "callbacks": {"extra": {"x": node}}}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save({"state_dict": {}, "convscope": {"model": node, "classes": ["a"], "preprocessing": {}}},
               run / "checkpoints/best.ckpt")  # fmt: skip
    (run / "checkpoints/last.ckpt").write_bytes((run / "checkpoints/best.ckpt").read_bytes())
    for arguments in (
        ("evaluate", "run=foreign"),
        ("evaluate", "run=foreign", "data=digits"),
        ("explain", "run=foreign"),
        ("serve", "run=foreign", "port=0"),
        ("train", "resume=foreign"),
    ):
        ended = convscope(*arguments)
        assert ended.status == 2, arguments
        assert named in ended.err, arguments
        assert "Traceback" not in ended.err
    assert not (project / "called").exists()
    assert not (project / "imported").exists()


@SLOW
def test_one_plugin_has_an_option_in_every_group(convscope, project):
    ended = convscope("train", *ALL_OF_ONE_PLUGIN, "folder=run")
    assert ended.status == 0, ended.err
    assert "good_morning 0 Sequential" in ended.out
    found = summary(project / "run")
    assert found["model"]["name"] == "own_tiny"
    assert found["transfer"]["stages"][0]["learning_rate"] == 0.00025
    assert "kappa" in found["metrics"]["test"]
    saved = yaml.safe_load((project / "run/config.yaml").read_text())
    assert saved["transfer"]["optimizer"] == {"name": "own_optimizer", "beta": 0.5}
    assert saved["task"]["loss"] == {"name": "own_focal", "gamma": 1}
    # in another process, where the plugin is not loaded
    program = [sys.executable, "-m", "convscope", "evaluate", "run=run"]
    done = subprocess.run(program, cwd=project, capture_output=True, text=True, timeout=600)
    assert done.returncode == 2
    assert "if you trust it, add plugins=[own_options]" in done.stderr


@SLOW
def test_jobs_of_a_sweep_find_own_code_in_other_processes(convscope, project):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    ended = convscope(
        "train", "--multirun", "plugins=[own_options]", "model=own_tiny", "model.width=4,8",
        "data._target_=own_data.squares", "launcher=joblib", "launcher.jobs=2", "sweep.name=own", *TRAINED,
        "callbacks=none",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    runs = sorted(path.parent.name for path in (project / "outputs/sweeps/own").glob("*/summary.json"))
    assert runs == ["model.width=4", "model.width=8"]


@SLOW
def test_processes_that_train_together_find_own_code(project):
    program = [
        sys.executable, "-m", "convscope", "train", "model._target_=own_networks.Net", "data._target_=own_data.squares",
        *TRAINED, "trainer.devices=2", "trainer.accelerator=cpu", "callbacks=none", "folder=run",
    ]  # fmt: skip
    done = subprocess.run(program, cwd=project, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert "2 processes" in done.stdout


@SLOW
def test_own_texts_and_an_own_network_for_them(convscope, project):
    ended = convscope("train", "model._target_=own_networks.Words", "data=own_texts",
                      "data._target_=own_data.sentences", *TRAINED, "folder=run")  # fmt: skip
    assert ended.status == 0, ended.err
    ended = convscope("explain", "run=run", "trust=own_networks", "text=a good film")
    assert ended.status == 0, ended.err
    assert "good" in ended.out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model._target_=own_networks.Nett",), "model._target_=own_networks.Nett: own_networks has no Nett"),
        (("model._target_=own_networks.Net", "model.widht=3"),
         "model.widht: own_networks.Net takes no such argument; did you mean width? Choose from: num_classes, "),
        (("model._target_=own_missing.Net",), "model._target_=own_missing.Net: there is no module own_missing"),
        (("model._target_=own_networks.Wrong", "data=digits"),
         "model: own_networks.Wrong returns (2, 7) for 2 images, and the data has 10 classes"),
        (("data._target_=own_data.squares", "data.cuont=3"), "data.cuont: own_data.squares takes no such"),
        (("task.loss.gamma=1",), "task.loss: has keys (gamma) and no name of an option; add task.loss=NAME"),
        (("task.metrics.my metric._target_=torchmetrics.MeanMetric",),
         "a name of your own has letters, digits and _, as in task.metrics.mine"),
        (("transfer.optimizer._target_=torch.optim.RAdam", "transfer.optimizer.etas=1"),
         "transfer.optimizer.etas: torch.optim.RAdam takes no such argument; did you mean betas?"),
        (("callbacks.extra.x._target_=own_networks.Net",),
         "callbacks.extra.x: own_networks.Net: missing a required argument: 'num_classes'"),
        (("callbacks.extra.x._target_=torch.nn.ReLU",),
         "callbacks.extra.x._target_=torch.nn.ReLU: is no pytorch_lightning Callback"),
        (("plugins=[own_options]", "model=own_tiny", "model.widht=3"),
         "model.widht: no such key; did you mean width? Choose from: name, weights, width"),
        (("plugins=[own_options]", "transfer.optimizer=own_optimizer", "transfer.optimizer.bet=1"),
         "transfer.optimizer.bet=1: no such key; did you mean beta? Choose from: name, beta"),
        (("trainer.arguments.max_epochs=3",), "max_epochs is set by convscope: write transfer.epochs for each stage"),
        (("trainer.arguments.limit_trian_batches=3",),
         "Lightning's Trainer has no argument limit_trian_batches; did you mean limit_train_batches?"),
        (("task.loss=fokal",), "task.loss=fokal: no such option"),
        (("transfer.optimizer=lion",), "transfer.optimizer=lion: no such option; choose from: adamw, muon, "),
    ],
)  # fmt: skip
def test_mistakes_are_one_line_before_any_data_is_read(convscope, monkeypatch, overrides, message):
    if "own_networks.Wrong" not in "".join(overrides):
        monkeypatch.setattr("convscope.data.images.hotdog.hotdog", lambda *_: pytest.fail("data were opened"))
    ended = convscope("train", "logger=csv", *overrides)
    assert ended.status == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err


@SLOW
def test_a_search_chooses_the_arguments_of_an_own_network(convscope, project):
    pytest.importorskip("optuna")
    ended = convscope("train", "--multirun", "sweep=random", "sweep.trials=3", "sweep.name=own",
                      "model._target_=own_networks.Net", "model.width=2,4,6", "data=digits", "callbacks=none",
                      *TRAINED)  # fmt: skip
    assert ended.status == 0, ended.err
    best = re.search(r"^best     validation/accuracy [\d.]+: model\.width=([246]) \(trial", ended.out, re.MULTILINE)
    assert best is not None, ended.out
    assert list((project / "outputs/sweeps/own").glob(f"*_model.width={best[1]}"))


@SLOW
def test_the_lines_that_errors_name_work(convscope, project):
    """What users of other projects type is refused with the line to write; here are these lines."""
    (project / "own_callback.py").write_text(
        "from pytorch_lightning.callbacks import Callback\nclass Mine(Callback): ...\n"
    )
    ended = convscope(
        "train", "model=lenet5", "data=digits", *TRAINED, "callbacks=none", "folder=run",
        "callbacks.extra.mine._target_=own_callback.Mine",
        "logger.extra.mine._target_=pytorch_lightning.loggers.CSVLogger", "logger.extra.mine.save_dir=lightning",
        "task.loss._target_=torch.nn.MultiMarginLoss", "task.loss.margin=0.5",
        "task.metrics.kappa._target_=torchmetrics.classification.MulticlassCohenKappa",
        "transfer.optimizer._target_=torch.optim.RAdam", "transfer.optimizer.eps=1e-7",
        "transfer.schedule._target_=torch.optim.lr_scheduler.OneCycleLR", "transfer.schedule.max_lr=0.01",
        "data.augmentation._target_=torchvision.transforms.v2.RandAugment", "data.augmentation.num_ops=1",
        "trainer.arguments.detect_anomaly=true", "trainer.arguments.limit_train_batches=2",
        "trainer.arguments.strategy=auto",
    )  # fmt: skip
    sys.modules.pop("own_callback", None)
    assert ended.status == 0, ended.err
    assert "kappa" in summary(project / "run")["metrics"]["test"]
    assert list((project / "lightning").rglob("metrics.csv"))
    steps = [int(float(row.split(",")[1])) for row in (project / "run/metrics.csv").read_text().splitlines()[1:]
             if row.split(",")[1]]  # fmt: skip
    assert max(steps) == 2


@SLOW
def test_own_configurations_are_found_beside_the_command(convscope, project):
    (project / "conf/model").mkdir(parents=True)
    (project / "conf/model/mine.yaml").write_text("_target_: own_networks.Net\nwidth: 4\n")
    (project / "conf/model/atto.yaml").write_text("defaults: [timm]\narchitecture: convnext_atto\n")
    (project / "conf/experiment").mkdir()
    (project / "conf/experiment/first.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /model: mine\n  - override /data: digits\n"
        "transfer:\n  epochs: 1\n"
    )
    ended = convscope("train", "experiment=first", "model.width=6", "logger=csv", "callbacks=none", "folder=run")
    assert ended.status == 0, ended.err
    saved = yaml.safe_load((project / "run/config.yaml").read_text())
    assert saved["model"] == {
        "_target_": "own_networks.Net", "name": "Net", "weights": "random", "head": None, "blocks": None, "width": 6,
    }  # fmt: skip
    described = convscope("describe", "model=atto", "output=json", "input_size=64")
    assert described.status == 0, described.err
    assert "convnext_atto" in described.out


@SLOW
def test_mistakes_of_plugin_options_are_answered_without_pytorch(project):
    arguments = ["train", "plugins=[own_options]", "model=own_tiny", "model.widht=3"]
    program = (
        "import sys\nsys.argv = ['convscope', *sys.argv[1:]]\nfrom convscope.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=project, capture_output=True, text=True,
                          timeout=300)  # fmt: skip
    assert "no such key" in done.stderr
    assert done.stdout.split()[0] == "False"
    helped = subprocess.run([sys.executable, "-c", program, "train", "--help", "plugins=[own_options]"], cwd=project,
                            capture_output=True, text=True, timeout=300)  # fmt: skip
    assert "own_tiny" in helped.stdout
    assert helped.stdout.split()[-1] == "False"
