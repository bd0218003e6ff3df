"""``convscope serve``: serves a local page on which a trained network classifies an image or a text."""

import importlib.util
import socket
from collections.abc import Sequence

from convscope.composition.trust import refuse_unknown_options, trusted_modules
from convscope.config.commands.serve import ServeConfig
from convscope.console import echo
from convscope.errors import UserError
from convscope.runs.saved_config import read_saved_config

SCHEMA = ServeConfig
NEEDED = ("starlette", "uvicorn", "python_multipart")
MAX_CONNECTIONS = 32


def run(config: ServeConfig, overrides: Sequence[str]) -> None:
    """Serve the page until interrupted, on the loopback address only.

    Raises:
        UserError: The run cannot be loaded, the port is taken, or the packages that the server needs are not installed.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"convscope serve needs {', '.join(missing)}; install it with: pip install 'convscope[serve]' "
            "(here: make setup extras=serve)"
        )
    trusted = trusted_modules(config.trust, config.plugins, {})
    refuse_unknown_options(read_saved_config(config.run), f"run={config.run}", trusted)
    listening = _listen(config.port)  # before the imports, which take seconds

    import uvicorn

    from convscope import lean_torchmetrics  # noqa: F401  (before Lightning, which then uses it)
    from convscope.modalities.registry import load_run
    from convscope.serving.answers import Answers
    from convscope.serving.app import build_app

    with listening:
        answers = Answers(load_run(config.run, config.checkpoint, trusted))
        app = build_app(answers)
        echo(f"{answers.about()['title']}: http://127.0.0.1:{listening.getsockname()[1]}  (stop with Ctrl-C)")
        settings = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            limit_concurrency=MAX_CONNECTIONS,
            server_header=False,
            ws="none",
        )
        try:
            uvicorn.Server(settings).run(sockets=[listening])
        except KeyboardInterrupt:
            echo("stopped")


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise UserError(f"port={port}: cannot be used ({error.strerror}); port=0 takes a free one") from error
