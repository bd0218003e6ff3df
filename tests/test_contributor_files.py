"""What a public forge, pre-commit and a packager read: valid files that name what exists."""

import re
import shlex
import tomllib

import pytest
import yaml
from places import ROOT

FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def read(path: str):
    return yaml.safe_load((ROOT / path).read_text())


def test_the_workflow_runs_all_of_ci_and_may_only_read():
    workflow = read(".github/workflows/ci.yml")
    (job,) = workflow["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == [".ci/run"]
    assert (ROOT / commands[0]).stat().st_mode & 0o111
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in job
    assert workflow["concurrency"]["cancel-in-progress"] is True
    assert 0 < job["timeout-minutes"] <= 90


def test_the_workflow_has_a_python_that_the_package_takes():
    (job,) = read(".github/workflows/ci.yml")["jobs"].values()
    (version,) = [step["with"]["python-version"] for step in job["steps"] if "python-version" in step.get("with", {})]
    assert f">={version}" == PROJECT["project"]["requires-python"]


def test_pre_commit_runs_the_linters_of_the_lock():
    repositories = read(".pre-commit-config.yaml")["repos"]
    (local,) = [repository for repository in repositories if repository["repo"] == "local"]
    programs = [shlex.split(hook["entry"])[0] for hook in local["hooks"]]
    assert {program.removeprefix(".venv/bin/") for program in programs} == {"ruff", "mypy"}
    assert [program for program in programs if not program.startswith(".venv/bin/")] == []
    lock = (ROOT / "requirements.lock").read_text()
    assert [name for name in ("ruff", "mypy") if not re.search(rf"^{name}==", lock, re.MULTILINE)] == []
    # what comes from elsewhere has a version that does not move
    assert all(re.fullmatch(r"v\d+\.\d+\.\d+", other["rev"]) for other in repositories if other is not local)


@pytest.mark.parametrize("form", [form for form in FORMS if form.stem != "config"], ids=lambda form: form.stem)
def test_a_form_is_one_that_a_forge_can_show(form):
    content = yaml.safe_load(form.read_text())
    assert content["name"]
    assert content["description"]
    identifiers = [field["id"] for field in content["body"]]
    assert len(set(identifiers)) == len(identifiers) > 0
    assert all(field["type"] in {"textarea", "input"} and field["attributes"]["label"] for field in content["body"])


def test_issues_have_forms():
    assert {form.stem for form in FORMS} == {"bug_report", "config", "feature_request"}
    assert read(".github/ISSUE_TEMPLATE/config.yml")["blank_issues_enabled"] is True


def test_the_changelog_has_this_version_below_what_is_unreleased():
    versions = re.findall(r"^## (\S+)", CHANGELOG, re.MULTILINE)
    assert versions[:2] == ["Unreleased", PROJECT["project"]["version"]]
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)", CHANGELOG, re.MULTILINE)) <= kinds


def test_the_new_keys_of_the_changelog_are_keys():
    keys = re.findall(r"^\s*\|[^|]*\| `([\w.]+)` \| `([\w.]+)` \|$", CHANGELOG, re.MULTILINE)
    groups = {path.name for path in (ROOT / "conf").iterdir() if path.is_dir()}
    keys = [(old, new) for old, new in keys if old.partition(".")[0] in groups - {"transfer"}]
    assert len(keys) >= 8
    for old, new in keys:
        group, *_, last = new.split(".")
        texts = "".join(path.read_text() for path in (ROOT / "conf" / group).glob("*.yaml"))
        assert re.search(rf"^\s*{last}:", texts, re.MULTILINE), new
        if old.count(".") == new.count(".") and group != "callbacks":
            assert not re.search(rf"^\s*{old.split('.')[-1]}:", texts, re.MULTILINE), old


def test_a_source_distribution_takes_what_exists_and_what_its_tests_read():
    included = set(PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    assert [name for name in included if not (ROOT / name).exists()] == []
    assert {"src", "conf", "tests", "docs", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"} <= included


def test_type_checkers_read_the_annotations():
    assert (ROOT / "src/convscope/py.typed").read_bytes() == b""


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", ".github/PULL_REQUEST_TEMPLATE.md"])
def test_what_a_document_names_exists(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    named = re.findall(r"`((?:src|tests|benchmarks|docs|conf|\.ci)/[\w./]*|[A-Z]+\.md|requirements\.lock)`", text)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
    targets = set(re.search(r"^TARGETS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split())
    commands = {one or other for one, other in re.findall(r"^make (\w+)|`make (\w+)", text, re.MULTILINE)}
    assert commands - targets == set()
