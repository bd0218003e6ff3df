"""Names of jobs and sweeps are made of their overrides; the folder of another sweep is refused."""

import pytest

from convscope.composition.jobs import MAX_NAME_LENGTH, folder_name, identity, make_jobs, parse_overrides, sweep_name
from convscope.errors import UserError
from convscope.sweeps.folder import claim_folder


def names(*overrides: str) -> list[str]:
    return [job.name for job in make_jobs(parse_overrides(overrides))]


def test_a_sweep_without_choices_has_one_job_with_a_name():
    (job,) = make_jobs(parse_overrides([]))
    assert job.name.startswith("single-")
    assert sweep_name([]).startswith("single-")


def test_a_job_is_named_after_what_was_chosen_for_it():
    assert names("model=lenet5,lecture_cnn", "data=digits", "seed=1,2") == [
        "model=lenet5,seed=1",
        "model=lenet5,seed=2",
        "model=lecture_cnn,seed=1",
        "model=lecture_cnn,seed=2",
    ]
    assert names("seed=1,2", "model=lenet5,lecture_cnn")[0] == "model=lenet5,seed=1"
    assert names("data=digits") == ["data=digits"]
    assert [job.overrides for job in make_jobs(parse_overrides(["+a=range(1,3)", "~b", "c=choice(x,y)"]))] == [
        ("+a=1", "~b", "c=x"),
        ("+a=1", "~b", "c=y"),
        ("+a=2", "~b", "c=x"),
        ("+a=2", "~b", "c=y"),
    ]


def test_overrides_that_a_path_cannot_hold_stay_different():
    folders = [folder_name([f"data.root={root}"]) for root in ("/a b", "/a_b", "/a/b", "/ä b", "x" * 300, "x" * 301)]
    assert len(set(folders)) == len(folders)
    assert all(len(name) <= MAX_NAME_LENGTH and "/" not in name for name in folders)


def test_a_sweep_has_the_same_name_for_the_same_overrides_and_one_value_more():
    name = sweep_name(parse_overrides(["model=a,b", "data=digits"]))
    assert name.startswith("model-")
    assert sweep_name(parse_overrides(["data=digits", "model=a,b,c", "launcher=joblib", "quiet=true"])) == name
    assert sweep_name(parse_overrides(["model=a,b", "data=mnist"])) != name
    assert sweep_name(parse_overrides(["model=a,b"])) != name
    assert sweep_name(parse_overrides(["model=a", "data=digits"])) != name


@pytest.mark.parametrize("word", ["seed=range(1,1)", "model='',lenet5", 'model=lenet5,""'])
def test_an_empty_choice_is_refused(word):
    with pytest.raises(UserError, match="an empty choice; name at least one value"):
        parse_overrides([word])


def test_what_has_no_values_to_try_one_by_one_is_refused():
    with pytest.raises(UserError, match="is an interval, which a grid cannot enumerate"):
        make_jobs(parse_overrides(["seed=1,2", "transfer.lr=interval(0,1)"]))


def test_the_folder_of_another_sweep_is_refused(tmp_path):
    digits, mnist = (identity(parse_overrides(["seed=1,2", f"data={data}"])) for data in ("digits", "mnist"))
    claim_folder(tmp_path / "sweep", digits, ["convscope"])
    claim_folder(tmp_path / "sweep", identity(parse_overrides(["data=digits", "seed=1,2,3"])), ["convscope"])
    with pytest.raises(UserError, match=r"another sweep \(overrides of that one alone: data=digits; .*: data=mnist\)"):
        claim_folder(tmp_path / "sweep", mnist, ["convscope"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("precious")
    with pytest.raises(UserError, match=r"is no sweep's folder, and not empty \(it holds thesis.txt\)"):
        claim_folder(tmp_path / "mine", digits, ["convscope"])
    with pytest.raises(UserError, match="is a file"):
        claim_folder(tmp_path / "mine/thesis.txt", digits, ["convscope"])
