"""``--help`` answers for a command, a group, an option or a key."""

import pytest

from convscope.composition.config_folder import CONFIG_DIR, own_groups


def test_a_group_lists_its_options_with_what_each_is_and_then_the_keys_of_the_chosen(convscope):
    ended = convscope("train", "--help", "model")
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert lines[0] == "model=OPTION is one of"
    shown = [line.split()[0] for line in lines[1 : lines.index("")]]
    assert shown == sorted(file.stem for file in (CONFIG_DIR / "model").glob("[!_]*.yaml"))
    assert "  alexnet              AlexNet, Krizhevsky et al. 2012" in lines
    assert (
        "weights: auto           # auto (packaged, else hub, else random) | packaged | hub | random | a file" in lines
    )


def test_what_an_option_includes_is_shown_with_its_file(convscope):
    out = convscope("train", "--help", "transfer").out
    assert "\nThe keys of transfer=auto; " in out
    assert "\n# from transfer/scratch.yaml\nname: scratch\n" in out
    assert "\n# from transfer/_stage.yaml\nweights: any " in out
    assert "_stage " not in out.partition("\n\n")[0]
    assert "None is chosen by default" in convscope("train", "--help", "debug").out


@pytest.mark.parametrize("word", ["model=resnet", "+model=resnet", "model=[resnet]"])
def test_an_option_is_its_file(convscope, word):
    ended = convscope("train", "--help", word)
    assert (ended.status, ended.out) == (0, (CONFIG_DIR / "model/resnet.yaml").read_text())


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("seed", ["# train.yaml",
                  "seed: 0                 # of the weights, the order of the images and their augmentation"]),
        ("transfer.lr", ["# transfer/scratch.yaml", "lr: 2e-3", "# transfer/_stage.yaml",
                         "lr: null                # after the warm-up"]),
        ("task.mixup", ["# train.yaml",
                        "  mixup: 0.0            # alpha of the Beta distribution (Zhang et al. 2018); 0: off"]),
        ("callbacks.checkpoint.mode", ["# callbacks/default.yaml", "  mode: max"]),
    ],
)  # fmt: skip
def test_a_key_is_its_lines_with_their_comments(convscope, key, lines):
    ended = convscope("train", "--help", key)
    assert ended.status == 0
    assert [line.rstrip() for line in ended.out.splitlines()] == lines


def test_options_beside_other_overrides_are_those_of_the_configuration_that_is_shown(convscope):
    out = convscope("train", "model=resnet", "--help", "model.depth").out
    assert out.startswith("# model/resnet.yaml\ndepth: ")
    out = convscope("train", "model=resnet", "model.depth=34", "--help").out
    assert "== Configuration groups ==" in out
    assert "\n  depth: 34\n" in out


def test_several_topics_are_answered_in_order(convscope):
    out = convscope("train", "sweep.name", "--help", "seed").out
    assert out.index("# sweep/grid.yaml") < out.index("# train.yaml")


@pytest.mark.parametrize(
    ("command", "word", "message"),
    [
        ("train", "resnet", "convscope train has no such group or key; did you mean model=resnet?"),
        ("train", "modle", "convscope train has no such group or key; did you mean model? Choose from: "),
        ("train", "transfer.lrr", "convscope train has no such group or key; did you mean transfer.lr? Choose from: "),
        ("describe", "data", "convscope describe has no such group or key; "),
    ],
)
def test_an_unknown_topic_is_refused_in_a_line(convscope, command, word, message):
    ended = convscope(command, "--help", word)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"error: --help {word}: {message}")
    assert ended.err.count("\n") == 1


def test_an_unknown_option_is_refused(convscope):
    ended = convscope("train", "--help", "model=resnett")
    assert ended.err.startswith("error: model=resnett: no such option; did you mean resnet? Choose from: alexnet, ")


GROUPS = {
    "train": own_groups(), "evaluate": ["data", "trainer"], "describe": ["model"], "zoo": [], "cache": [],
    "compare": [], "serve": [], "dashboard": [], "explain": ["trainer"],
}  # fmt: skip


@pytest.mark.parametrize("command", GROUPS)
def test_a_command_lists_the_groups_that_it_takes(convscope, command):
    out = convscope(command, "--help").out
    listed = out.partition("== Configuration groups ==")[2].partition("== Config ==")[0]
    assert [line.split(":")[0] for line in listed.splitlines() if ": " in line] == GROUPS[command]
    assert " _" not in listed


def test_options_of_the_user_are_listed_too(convscope, tmp_path):
    (tmp_path / "own/model").mkdir(parents=True)
    (tmp_path / "own/model/mine.yaml").write_text("# My network.\ndefaults: [resnet, _self_]\ndepth: 50\n")
    for place in (["--config-dir", "own"], [f"hydra.searchpath=[{tmp_path}/own]"]):
        assert "  mine                 My network\n" in convscope("train", *place, "--help", "model").out
        out = convscope("train", *place, "--help", "model=mine").out
        assert out.startswith("# My network.\n")
        assert "\n# from model/resnet.yaml\nname: resnet\n" in out
