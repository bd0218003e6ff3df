"""``convscope serve``: a local page on which a trained network answers for a picture."""

import importlib.util
import socket
from collections.abc import Sequence

from convscope.commands.console import say
from convscope.config.serve import Serve
from convscope.errors import UserError

SCHEMA = Serve
NEEDED = ("starlette", "uvicorn", "python_multipart")
MOST_CONNECTIONS = 32


def run(config: Serve, overrides: Sequence[str]) -> None:
    """Serve until interrupted, on this machine's own address alone.

    Raises:
        UserError: The run cannot be loaded, the port is taken, or the packages of the extra are not installed.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"convscope serve needs {', '.join(missing)}; install it with: pip install 'convscope[serve]' "
            "(here: make setup extras=serve)"
        )
    listening = _listen(config.port)  # before the libraries, which take seconds

    import uvicorn

    from convscope.commands.serving.answers import PictureAnswers
    from convscope.commands.serving.app import build_app
    from convscope.commands.trained import load_trained_run

    with listening:
        trained = load_trained_run(config.run, config.checkpoint)
        app = build_app(PictureAnswers(trained))
        say(f"{trained.title}: http://127.0.0.1:{listening.getsockname()[1]}  (stop with Ctrl-C)")
        settings = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            limit_concurrency=MOST_CONNECTIONS,
            server_header=False,
            ws="none",
        )
        try:
            uvicorn.Server(settings).run(sockets=[listening])
        except KeyboardInterrupt:
            say("stopped")


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise UserError(f"port={port}: cannot be used ({error.strerror}); port=0 takes a free one") from error
