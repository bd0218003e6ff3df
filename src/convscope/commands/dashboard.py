"""``convscope dashboard``: lays out a project in wandb, or writes the layout to a file."""

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from convscope.config.commands.dashboard import DashboardConfig
from convscope.console import echo
from convscope.errors import UserError

SCHEMA = DashboardConfig
PLACEHOLDER_ENTITY = "entity"  # the account in a specification that is written without one


def run(config: DashboardConfig, overrides: Sequence[str]) -> None:
    """Save a workspace and a report to wandb; with ``dry_run`` write them as JSON instead.

    Raises:
        UserError: The package wandb-workspaces is not installed, there is no API key, the server cannot be reached or
            refuses, or the file cannot be written.
    """
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise UserError(
            "convscope dashboard needs wandb-workspaces; install it with: pip install 'convscope[dashboard]' "
            "(here: make setup extras=dashboard)"
        )
    if config.dry_run:
        from convscope.tracking.dashboard import build_dashboard

        dashboard = build_dashboard(config.entity or PLACEHOLDER_ENTITY, config.project, offline=True)
        text = json.dumps(dashboard.specification(), indent=2) + "\n"
        if config.file is None:
            sys.stdout.write(text)
        else:
            file = Path(config.file).expanduser()
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            except OSError as error:
                raise UserError(f"file={file}: cannot be written ({error.strerror})") from error
            echo(f"specification  {file}")
        return

    from convscope import hub
    from convscope.tracking import wandb_settings

    if not wandb_settings.key_configured():
        raise UserError("convscope dashboard needs a wandb API key (`wandb login` stores one), or dry_run=true")
    address = wandb_settings.server_address()
    if not hub.reachable(address):
        raise UserError(f"convscope dashboard: {address} {hub.reachable.fault(address)}; dry_run=true needs no network")

    import wandb

    from convscope.tracking.dashboard import build_dashboard

    try:
        entity = config.entity or str(wandb.Api().default_entity)
        addresses = build_dashboard(entity, config.project).save()
    except Exception as error:  # wandb's client has no common base class for its errors and those of the server
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(f"convscope dashboard project={config.project}: wandb refused ({reason})") from error
    for name, address in addresses.items():
        echo(f"{name:<10} {address}")
