"""Reads what wandb is set to, as wandb itself would find it, without importing wandb or Lightning."""

import configparser
import netrc
import os
from pathlib import Path
from urllib.parse import urlsplit

from convscope import hub
from convscope.config.logger import AutoConfig, TensorBoardConfig, TrackerConfig, WandbConfig
from convscope.tracking.choice import is_installed

SERVICE_HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")  # old and new address of the public service


def choose_tracker(settings: AutoConfig) -> tuple[str, TrackerConfig]:
    """Return the name and the settings of wandb if it is installed, on, and has a key, otherwise of TensorBoard."""
    if key_configured() and requested_mode() != "disabled" and is_installed("wandb"):
        return "wandb", WandbConfig(project=settings.project, entity=None, mode="auto")
    return "tensorboard", TensorBoardConfig()


def probe(settings: WandbConfig) -> None:
    """Check in the background whether the server of wandb answers, if a run would connect to it."""
    if settings.mode == "auto" and requested_mode() not in ("offline", "disabled") and key_configured():
        hub.reachable.start_probe(server_address())


def key_configured() -> bool:
    """Return whether wandb would find credentials in environment, netrc or settings files.

    A ``default`` entry of the netrc file does not count; it is for other hosts.
    """
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    settings = _settings_files()
    if settings.get("api_key"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or settings.get("base_url", "")).netloc
    hosts = SERVICE_HOSTS if not host or host in SERVICE_HOSTS else (host,)
    try:
        known = netrc.netrc(_netrc_file()).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    return any(known[host][2] for host in hosts if host in known)


def requested_mode() -> str | None:
    """Return the mode in ``WANDB_MODE`` or wandb's settings files: online, offline or disabled; None if not set."""
    mode = os.environ.get("WANDB_MODE") or _settings_files().get("mode")
    return {"dryrun": "offline", "run": "online"}.get(mode, mode) if mode else None


def server_address() -> str:
    """Return the address of the server that wandb would connect to."""
    return os.environ.get("WANDB_BASE_URL") or _settings_files().get("base_url") or f"https://{SERVICE_HOSTS[0]}"


def _settings_files() -> dict[str, str]:
    """Return the settings of wandb's global file and of the working directory's file, which has precedence."""
    home = os.environ.get("WANDB_CONFIG_DIR", "~/.config/wandb")
    parser = configparser.ConfigParser(interpolation=None)
    for path in (
        Path(home).expanduser() / "settings",
        Path(os.environ.get("WANDB_DIR", ".")) / "wandb" / "settings",
    ):
        try:
            parser.read(path)
        except (OSError, configparser.Error, UnicodeDecodeError):
            continue
    return dict(parser["default"]) if parser.has_section("default") else {}


def _netrc_file() -> Path:
    if named := os.environ.get("NETRC"):
        return Path(named).expanduser()
    home = Path("~/.netrc").expanduser()
    return home if home.exists() else Path("~/_netrc").expanduser()
