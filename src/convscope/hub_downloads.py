"""Gives up downloads from a hub that stops answering within seconds; the libraries would retry for minutes."""

import os
import socket
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convscope import hub


def _hub_lacks_socks() -> bool:
    """Return whether ``huggingface_hub`` cannot use one of the proxies, in which case it fails for every host."""
    proxies = urllib.request.getproxies()
    return hub.socks_is_missing(*(proxies.get(scheme, "") for scheme in ("http", "https", "all")))


def hugging_face_reachable() -> bool:
    """Return whether the Hugging Face hub is allowed and answers; if so, make its stalled downloads fail early."""
    if hub.offline_mode():
        return False
    if _hub_lacks_socks():
        hub.reachable.mark_unreachable(hub.hugging_face_endpoint(), hub.NO_SOCKS)
    if not hub.reachable(hub.hugging_face_endpoint()):
        return False
    give_up_stalled_downloads()
    return True


def hugging_face_fault() -> str:
    """Return what is wrong with the Hugging Face hub, as the end of a sentence that begins with its name."""
    return hub.reachable.fault(hub.hugging_face_endpoint())


@contextmanager
def cache_only() -> Iterator[None]:
    """Make the hub's libraries use their local cache only, without any request."""
    from huggingface_hub import constants

    offline, bypass = constants.HF_HUB_OFFLINE, os.environ.get("no_proxy")
    constants.HF_HUB_OFFLINE = True
    if _hub_lacks_socks():
        os.environ["no_proxy"] = "*"  # even offline the library creates a client, which would fail on the proxy
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        os.environ.pop("no_proxy", None)
        if bypass is not None:
            os.environ["no_proxy"] = bypass


def network_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of httpx that the hub's libraries pass on; none if no library has imported httpx."""
    return tuple(sys.modules[name].HTTPError for name in ("httpx", "httpx2") if name in sys.modules)


def give_up_stalled_downloads() -> None:
    """Make the hub's libraries fail on a hub that stalls, and send it no further requests.

    A hub stalls if a request gets no answer for ``STALL_SECONDS``, gets only errors for ``PATIENCE_SECONDS``, or gets
    the answer to come back later. The libraries would repeat the request five times, with pauses, and then continue
    with the next file in the same way, which takes 7 minutes; some of their requests have no time limit at all.
    """
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", f"{hub.STALL_SECONDS:.0f}")
    os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", f"{hub.STALL_SECONDS:.0f}")
    try:
        import huggingface_hub
        from huggingface_hub import constants
    except ImportError:
        return
    if not hasattr(huggingface_hub, "set_client_factory"):  # versions before 1.0
        return
    client = hub.hub_client()
    client_class = type(client)
    if client_class.__name__ == "ImpatientClient":
        return
    library = hub.http_library(client)

    def give_up(request: Any, fault: str) -> ConnectionError:
        hub.reachable.mark_unreachable(hub.hugging_face_endpoint(), fault)
        return ConnectionError(f"{request.url.host} {fault}")

    class ImpatientClient(client_class):  # type: ignore[misc, valid-type]
        """Raises ``ConnectionError`` if the hub stalls: for the library, that is no reason to try again."""

        def send(self, request: Any, **settings: Any) -> Any:
            """Send ``request``, or raise ``ConnectionError`` if the hub has been given up or stalls."""
            is_given_up = hub.reachable.is_marked_unreachable(hub.hugging_face_endpoint())
            if is_given_up and not constants.HF_HUB_OFFLINE:  # offline, the library itself refuses, and takes its cache
                raise ConnectionError(f"{request.url.host} {hugging_face_fault()}")
            try:
                response = super().send(request, **settings)
            except library.TimeoutException as error:
                raise give_up(request, hub.SILENT) from error
            except library.TooManyRedirects as error:
                raise give_up(request, "redirects in a circle") from error
            except library.RequestError as error:
                temporary = isinstance(error, library.NetworkError | library.RemoteProtocolError)
                if temporary and not hub.reachable.record_error():
                    raise  # the library tries again
                raise give_up(request, f"{hub.UNREACHABLE} ({error})") from error
            if not hub.is_unavailable(response.status_code):
                hub.reachable.record_success()
            elif _requests_long_wait(response) or hub.reachable.record_error():
                response.close()
                raise give_up(request, f"answers HTTP {response.status_code}")
            iter_library_bytes = response.iter_bytes

            def iter_bytes(*arguments: Any, **keywords: Any) -> Iterator[bytes]:
                try:
                    yield from iter_library_bytes(*arguments, **keywords)
                except library.TimeoutException as error:
                    if response.num_bytes_downloaded:
                        raise  # the library resumes the download there
                    raise give_up(request, hub.SILENT) from error

            response.iter_bytes = iter_bytes
            return response

    hooks = client.event_hooks
    huggingface_hub.set_client_factory(
        lambda: ImpatientClient(event_hooks=hooks, follow_redirects=True, timeout=hub.STALL_SECONDS)
    )


def _requests_long_wait(response: Any) -> bool:
    """Return whether the library would wait longer than ``PATIENCE_SECONDS`` before its retry: up to 5 minutes."""
    pause = response.headers.get("retry-after", "")
    return response.status_code == 429 or (pause.isdigit() and int(pause) > hub.PATIENCE_SECONDS)


def refuse_download(address: str, cache: str, name: str) -> None:
    """Refuse to load weights that ``torch.hub`` would have to download.

    Args:
        address: Address of the weights, whose last part is the name of the file.
        cache: The folder of ``torch.hub``.
        name: Name of the weights, for the message.

    Raises:
        LookupError: The file is not in the cache.
    """
    if not (Path(cache) / "checkpoints" / Path(urllib.parse.urlsplit(address).path).name).is_file():
        raise LookupError(f"{name} is not in torch's cache")


@contextmanager
def sockets_time_out() -> Iterator[None]:
    """Set the timeout of sockets created in this context to ``STALL_SECONDS``; ``torch.hub`` sets none."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(hub.STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
