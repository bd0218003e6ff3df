"""The code and the commands of docs/own_code.md, as they stand there."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

pytestmark = pytest.mark.slow

DOCUMENT = (ROOT / "docs/own_code.md").read_text()
FILE = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# The same trainings, made short. All run in one process, which imports PyTorch once.
SHORT = ["transfer.epochs=1", "callbacks.figures=false", "callbacks.analysis=null", "callbacks.saliency=null"]
PROGRAM = """
import json, sys
from convscope.cli.main import main
failed = []
for number, words in enumerate(json.loads(sys.argv[1])):
    try:
        main([*words, f"folder=run{number}"])
    except SystemExit as exit_:
        failed += [words] if exit_.code else []
sys.exit(f"failed: {failed}" if failed else 0)
"""


def test_every_example_of_the_document_trains(tmp_path: Path, cache: Path, monkeypatch) -> None:
    for name, code in FILE.findall(DOCUMENT):
        (tmp_path / name).write_text(code)
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)
    (experiment,) = (block for language, block in blocks if language == "yaml")
    (tmp_path / "conf/experiment").mkdir(parents=True)
    (tmp_path / "conf/experiment/ours.yaml").write_text(experiment)
    lines = [shlex.split(line) for language, block in blocks if not language for line in block.splitlines()]
    trainings = [[*words[1:], *SHORT] for words in lines if words[:2] == ["convscope", "train"]]
    assert len(trainings) == 21
    assert [words for words in lines if words[:2] != ["convscope", "train"]] == [
        ["convscope", "evaluate", "run=PATH", "trust=my_nets"]
    ]
    monkeypatch.setenv("CONVSCOPE_CACHE", str(cache))
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    run = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run([*run, json.dumps(trainings)], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert len(list(tmp_path.glob("run*/summary.json"))) == len(trainings)
    assert "Hello for 1 epochs" in ended.stdout
    assert (tmp_path / "tables/metrics.csv").is_file()
    refused = subprocess.run(
        [sys.executable, "-m", "convscope", "evaluate", "run=run0"], cwd=tmp_path, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert refused.stderr.endswith("add trust=my_nets\n")
    taken = [sys.executable, "-m", "convscope", "evaluate", "run=run0", "trust=my_nets"]
    subprocess.run(taken, cwd=tmp_path, check=True)
