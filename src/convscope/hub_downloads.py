"""Downloads from a hub that may fall silent: given up within seconds, where the libraries would try for minutes."""

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
    """Whether the hub's library fails, as it does for every host where it cannot use one of the proxies."""
    proxies = urllib.request.getproxies()
    return hub.socks_is_missing(*(proxies.get(scheme, "") for scheme in ("http", "https", "all")))


def hugging_face_reachable() -> bool:
    """Whether the Hugging Face hub may be asked, and answers; its downloads then end where they stall."""
    if hub.offline_requested():
        return False
    if _hub_lacks_socks():
        hub.reachable.give_up(hub.hugging_face_endpoint(), hub.NO_SOCKS)
    if not hub.reachable(hub.hugging_face_endpoint()):
        return False
    give_up_stalled_downloads()
    return True


def hugging_face_fault() -> str:
    """What is wrong with a Hugging Face hub that is away, to follow its name in a sentence."""
    return hub.reachable.fault(hub.hugging_face_endpoint())


@contextmanager
def cache_only() -> Iterator[None]:
    """Make the hub's libraries answer from their local cache alone, at once."""
    from huggingface_hub import constants

    offline, bypass = constants.HF_HUB_OFFLINE, os.environ.get("no_proxy")
    constants.HF_HUB_OFFLINE = True
    if _hub_lacks_socks():
        os.environ["no_proxy"] = "*"  # the library makes a client, which would fail, before it asks nobody
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        os.environ.pop("no_proxy", None)
        if bypass is not None:
            os.environ["no_proxy"] = bypass


def network_errors() -> tuple[type[Exception], ...]:
    """What the hub's libraries let through of httpx, under whatever name they have it; nothing where none has it."""
    return tuple(sys.modules[name].HTTPError for name in ("httpx", "httpx2") if name in sys.modules)


def give_up_stalled_downloads() -> None:
    """Make the hub's libraries give the hub up where it gets no further, and ask it no more.

    That is where a request gets no answer for ``STALL_SECONDS``, or errors alone for ``PATIENCE_SECONDS``, or is told
    to come back later. They would repeat it five times, with pauses, and then go on with the next file in the same
    way, which takes 7 minutes; some of their requests have no time limit at all.
    """
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", f"{hub.STALL_SECONDS:.0f}")
    os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", f"{hub.STALL_SECONDS:.0f}")
    try:
        import huggingface_hub
    except ImportError:
        return
    if not hasattr(huggingface_hub, "set_client_factory"):  # before 1.0, which has no such door
        return
    plain = hub.hub_client()
    kind = type(plain)
    if kind.__name__ == "ImpatientClient":
        return
    library = hub.library_of(plain)

    def given_up(request: Any, fault: str) -> ConnectionError:
        hub.reachable.give_up(hub.hugging_face_endpoint(), fault)
        return ConnectionError(f"{request.url.host} {fault}")

    class ImpatientClient(kind):  # type: ignore[misc, valid-type]
        """Raises what the library does not take for a reason to try again."""

        def send(self, request: Any, **settings: Any) -> Any:
            """As the client does."""
            if hub.reachable.given_up(hub.hugging_face_endpoint()):
                raise ConnectionError(f"{request.url.host} {hugging_face_fault()}")
            try:
                response = super().send(request, **settings)
            except library.TimeoutException as error:
                raise given_up(request, hub.SILENT) from error
            except library.TooManyRedirects as error:
                raise given_up(request, "redirects in a circle") from error
            except library.RequestError as error:
                passing = isinstance(error, library.NetworkError | library.RemoteProtocolError)
                if passing and not hub.reachable.trouble_lasts():
                    raise  # the library asks again
                raise given_up(request, f"{hub.UNREACHABLE} ({error})") from error
            if not hub.turns_away(response.status_code):
                hub.reachable.trouble_ends()
            elif _asks_to_wait(response) or hub.reachable.trouble_lasts():
                response.close()
                raise given_up(request, f"answers HTTP {response.status_code}")
            pieces = response.iter_bytes

            def iter_bytes(*size: Any, **named: Any) -> Iterator[bytes]:
                try:
                    yield from pieces(*size, **named)
                except library.TimeoutException as error:
                    if response.num_bytes_downloaded:
                        raise  # the library goes on from there
                    raise given_up(request, hub.SILENT) from error

            response.iter_bytes = iter_bytes
            return response

    hooks = plain.event_hooks
    huggingface_hub.set_client_factory(
        lambda: ImpatientClient(event_hooks=hooks, follow_redirects=True, timeout=hub.STALL_SECONDS)
    )


def _asks_to_wait(response: Any) -> bool:
    """Whether the library would wait for longer than ``PATIENCE_SECONDS`` before it asks again: up to 5 minutes."""
    pause = response.headers.get("retry-after", "")
    return response.status_code == 429 or (pause.isdigit() and int(pause) > hub.PATIENCE_SECONDS)


def refuse_download(address: str, cache: str, name: str) -> None:
    """Refuse to load the weights ``name`` where ``torch.hub``, whose folder is ``cache``, would download them.

    Raises:
        LookupError: The file is not in the cache.
    """
    if not (Path(cache) / "checkpoints" / Path(urllib.parse.urlsplit(address).path).name).is_file():
        raise LookupError(f"{name} is not in torch's cache")


@contextmanager
def sockets_time_out() -> Iterator[None]:
    """Give sockets that are made within a time limit, ``STALL_SECONDS``; ``torch.hub`` gives none."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(hub.STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
