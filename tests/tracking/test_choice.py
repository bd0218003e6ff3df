"""Which tracker ``auto`` is, what is refused, and how wandb comes to be offline."""

import ast
import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tracker_settings import tracker_settings

from convscope.errors import UserError
from convscope.runs.run_folder import RunFolder
from convscope.tracking import choice, trackers, wandb_settings
from convscope.tracking.choice import choose_trackers
from convscope.tracking.trackers import build_loggers, close

KEY = "k" * 40


def chosen(*names: str) -> list[str]:
    """Return the names of the trackers that ``names`` stand for."""
    return list(choose_trackers(tracker_settings(*names)))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_auto_without_a_key() -> None:
    assert chosen("auto") == ["tensorboard"]


@pytest.mark.parametrize("name", ["WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"])
def test_auto_with_a_key_in_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, KEY)
    assert chosen("auto") == ["wandb"]


@pytest.mark.parametrize("host", wandb_settings.SERVICE_HOSTS)
def test_auto_with_a_key_in_the_netrc(tmp_path: Path, host: str) -> None:
    write(tmp_path / "home" / "netrc", f"machine {host}\n  login user\n  password {KEY}\n")
    assert chosen("auto") == ["wandb"]


def test_the_usual_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NETRC")
    write(tmp_path / "home" / ".netrc", f"machine api.wandb.ai login user password {KEY}")
    (tmp_path / "home" / ".netrc").chmod(0o600)
    assert chosen("auto") == ["wandb"]


@pytest.mark.parametrize("netrc", ["", "machine other.org login a password b", f"default login a password {KEY}", "x"])
def test_a_netrc_without_the_host(tmp_path: Path, netrc: str) -> None:
    write(tmp_path / "home" / "netrc", netrc)
    assert chosen("auto") == ["tensorboard"]


def test_a_server_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(tmp_path / "home" / "netrc", f"machine wandb.lab:8080 login user password {KEY}")
    assert not wandb_settings.key_configured()
    monkeypatch.setenv("WANDB_BASE_URL", "http://wandb.lab:8080")
    assert wandb_settings.key_configured()
    monkeypatch.setenv("WANDB_BASE_URL", "http://elsewhere.lab")
    assert not wandb_settings.key_configured()


def test_wandbs_settings_files(tmp_path: Path) -> None:
    write(tmp_path / "home" / "netrc", f"machine wandb.lab login user password {KEY}")
    write(tmp_path / "home" / ".config" / "wandb" / "settings", "[default]\nbase_url = http://wandb.lab\n")
    assert wandb_settings.key_configured()
    assert wandb_settings.requested_mode() is None
    write(tmp_path / "wandb" / "settings", "[default]\nmode = disabled\n")
    assert wandb_settings.requested_mode() == "disabled"
    assert chosen("auto") == ["tensorboard"]
    write(tmp_path / "wandb" / "settings", "nonsense")
    assert wandb_settings.key_configured()


def test_several_without_repetition() -> None:
    assert chosen("csv", "auto", "tensorboard", "mlflow") == ["csv", "tensorboard", "mlflow"]


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "is_installed", lambda package: package == "wandb")
    with pytest.raises(UserError) as refused:
        chosen("mlflow")
    assert str(refused.value) == (
        "logger=mlflow needs the package mlflow; install it with: pip install 'convscope[mlflow]' "
        "(here: make setup extras=mlflow)"
    )
    with pytest.raises(UserError, match=r"^logger=tensorboard needs .*; install it with: pip install tensorboard$"):
        chosen("tensorboard")


def test_csv_alone(folder: RunFolder) -> None:
    loggers, notices = build_loggers(tracker_settings("csv"), folder, run_name="r")
    assert [type(logger).__name__ for logger in loggers] == ["MetricsCSVLogger"]
    assert notices == []


def test_other_processes_start_nothing(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers.rank_zero_only, "rank", 1)
    loggers, _ = build_loggers(tracker_settings("tensorboard"), folder, run_name="r")
    loggers[0].log_metrics({"validation/loss": 1.0}, 0)
    assert len(loggers) == 1
    assert [entry.name for entry in folder.path.iterdir() if entry.is_file()] == []


def test_wandb_disabled(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    loggers, notices = build_loggers(tracker_settings("wandb"), folder, run_name="r")
    assert len(loggers) == 1
    assert "wandb is off" in notices[0]


class Refusing(http.server.BaseHTTPRequestHandler):
    """Says that the key is wrong."""

    def do_POST(self) -> None:
        self.send_response(401)
        self.end_headers()

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing_server() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def fresh_wandb() -> None:
    """wandb reads the environment once a process."""
    import wandb

    wandb.teardown()


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("no network", "cannot be reached"),
        ("refused", "refused the run"),
        ("short key", "refused the run"),
        ("configured", "logger.wandb.mode=offline"),
        ("environment", "WANDB_MODE"),
    ],
)
def test_wandb_is_offline_at_once(
    folder: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
    refusing_server: str,
    capfd: pytest.CaptureFixture[str],
    mode: str,
    reason: str,
) -> None:
    fresh_wandb()
    monkeypatch.setenv("WANDB_API_KEY", "short" if mode == "short key" else KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9" if mode == "no network" else refusing_server)
    if mode == "environment":
        monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a prompt was shown"))
    start = time.monotonic()
    loggers, notices = build_loggers(
        tracker_settings("wandb", mode="offline" if mode == "configured" else "auto"), folder, run_name="r"
    )
    loggers[1].log_metrics({"train/loss": 1.0}, 0)
    assert close(loggers, "success") == []
    fresh_wandb()
    assert time.monotonic() - start < 60  # 103 s without the probe
    assert len(notices) == 1
    assert reason in notices[0]
    assert f"wandb sync {next(folder.path.glob('wandb/offline-run-*')).relative_to(Path.cwd())}" in notices[0]
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


def test_slow_packages_are_imported_only_where_used() -> None:
    at_the_top = {
        alias.name.split(".")[0]
        for path in Path(trackers.__file__).parent.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
    }
    assert not at_the_top & {"wandb", "mlflow", "tensorboard", "matplotlib", "PIL", "jinja2", "torch"}


@pytest.mark.slow
def test_wandb_is_not_imported_where_it_is_off(tmp_path: Path) -> None:
    """Start-up of a tracker is paid by those who use it."""
    program = (
        "import sys; from convscope.config.logger import CSVConfig;"
        "from convscope.tracking.trackers import build_loggers, close;"
        "from convscope.tracking.recorder import Recorder; from convscope.runs.run_folder import RunFolder;"
        f"folder = RunFolder({str(tmp_path / 'run')!r}).create();"
        "loggers, _ = build_loggers({'csv': CSVConfig()}, folder, run_name='r');"
        "Recorder(folder, loggers).scalar('train/loss', 1.0, 0); close(loggers, 'success');"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not {"wandb", "mlflow", "bokeh"} & set(done.stdout.split())
    assert RunFolder(tmp_path / "run").metrics_file.is_file()


@pytest.mark.slow
def test_wandb_starts_without_its_launch_agents_and_leaves_them_to_be_imported(tmp_path: Path) -> None:
    program = (
        "import sys; from convscope.config.logger import WandbConfig;"
        "from convscope.tracking.trackers import build_loggers, close;"
        "from convscope.runs.run_folder import RunFolder;"
        f"folder = RunFolder({str(tmp_path / 'run')!r}).create();"
        "settings = WandbConfig(project='p', entity=None, mode='offline');"
        "loggers, _ = build_loggers({'wandb': settings}, folder, run_name='r');"
        "print(*(name for name in sys.modules if name.startswith('wandb.sdk.launch')));"
        "from wandb.sdk.launch.inputs.internal import StagedLaunchInputs;"
        "print(StagedLaunchInputs().add_staged_input.__name__);"
        "print(close(loggers, 'success'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["", "add_staged_input", "[]"]
