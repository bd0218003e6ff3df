"""The ASGI application that serves the page and answers its requests."""

import logging
from collections.abc import Awaitable, Callable
from importlib import resources

from anyio import Lock, to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from convscope.serving.answers import Answers
from convscope.serving.uploads import RefusedError, read_request

# Requests under other host names are refused, which prevents DNS rebinding by other web pages.
HOSTS = ["127.0.0.1", "localhost", "::1", "[::1]"]
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STATIC = {"/": ("app.html", "text/html"), "/app.css": ("app.css", "text/css"), "/app.js": ("app.js", "text/javascript")}

logger = logging.getLogger(__name__)


def build_app(answers: Answers) -> Starlette:
    """Return the application that serves ``answers``; it computes one answer at a time."""
    lock = Lock()

    async def about(_: Request) -> Response:
        return JSONResponse(answers.about(), headers=HEADERS)

    async def answer(request: Request) -> Response:
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
            return _error_response(403, "Only this page may send requests.")
        try:
            uploaded = await read_request(request)
            async with lock:
                return JSONResponse(await to_thread.run_sync(answers.answer, uploaded), headers=HEADERS)
        except RefusedError as refused:
            return _error_response(refused.status, refused.reason)
        except Exception as error:
            logger.exception("an answer failed")
            return _error_response(500, f"The network could not answer ({type(error).__name__}).")

    return Starlette(
        routes=[
            *(Route(path, _serve_file(file, kind)) for path, (file, kind) in STATIC.items()),
            Route("/about", about),
            Route("/answer", answer, methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)],
    )


def _serve_file(file: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = resources.files("convscope.serving").joinpath(file).read_bytes()

    async def serve(_: Request) -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8", headers=HEADERS)

    return serve


def _error_response(status: int, reason: str) -> Response:
    return JSONResponse({"error": reason}, status_code=status, headers=HEADERS)
