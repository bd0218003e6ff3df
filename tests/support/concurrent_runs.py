"""Start runs from several processes in one MLflow store at the same moment."""

import os
import subprocess
import sys
import time
from pathlib import Path

# The imports are done before the gate opens, so that the processes use the store at the same moment.
RUN = """
import os, sys, time
from convscope.tracking.mlflow_child import Writer

uri, gate, name = sys.argv[1:]
writer = Writer()
writer.prepare(uri, networks=False)
open(f"{gate}.{name}", "w").close()
while not os.path.exists(gate):
    time.sleep(0.001)
writer.start(uri, "together", name, {}, None, None)
writer.params({"name": name})
writer.metrics([("loss", 0.5, 0, step) for step in range(50)])
writer.end("success")
"""


def run_together(uri: str, processes: int, folder: Path) -> dict[str, tuple[str, dict[str, float]]]:
    """Start ``processes`` runs in the store at once. Returns status and metrics of each run there, by its name."""
    from mlflow.tracking import MlflowClient

    gate = folder / "gate"
    names = [f"run{number}" for number in range(processes)]
    started = [
        subprocess.Popen([sys.executable, "-c", RUN, uri, str(gate), name], stderr=subprocess.PIPE, text=True)
        for name in names
    ]
    while not all((folder / f"gate.{name}").exists() for name in names):
        assert all(process.poll() is None for process in started)
        time.sleep(0.02)
    gate.touch()
    errors = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0] * processes, "\n".join(errors)
    for name in ("gate", *(f"gate.{name}" for name in names)):
        os.unlink(folder / name)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("together")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return {run.info.run_name: (run.info.status, dict(run.data.metrics)) for run in runs}
