"""Does a hub answer? Asked once, known within seconds, before a library spends minutes on finding out."""

import os
import socket
import ssl
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HUGGING_FACE = "https://huggingface.co"
TORCHVISION = "https://download.pytorch.org"
# A small file, on the way that every download takes. A mirror that lacks it says so, which is an answer too.
HUGGING_FACE_FILE = "/timm/resnet18.a1_in1k/resolve/main/config.json"

# Seconds that a process waits for hosts that do not answer: one such host costs the first, each further one the second
# or more. Two of them, the host of the data and that of the weights, cost less than 5 s in all.
DEADLINE_SECONDS = 3.5
LEAST_SECONDS = 1.0
STALL_SECONDS = 10.0  # without a byte, after which a download is given up
BYTES = 1024  # of an answer that have to arrive: some hosts send the first ones and stop
# A proxy says with these that the host behind it is away, or that it wants a password.
AWAY = {407, 502, 503, 504}


def hugging_face_endpoint() -> str:
    """Address of the Hugging Face hub or of the mirror that ``HF_ENDPOINT`` names."""
    return os.environ.get("HF_ENDPOINT", HUGGING_FACE)


def offline_requested() -> bool:
    """Whether the environment forbids the hub (``HF_HUB_OFFLINE`` or ``HF_DATASETS_OFFLINE``)."""
    return any(
        os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"}
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
    )


class _Probe:
    """One request to an address, in a daemon thread that is left behind where it hangs."""

    def __init__(self, address: str) -> None:
        self.address, self.answered, self.started = address, False, time.monotonic()
        self.ended = threading.Event()
        threading.Thread(target=self._ask, daemon=True, name=f"probe of {address}").start()

    def _ask(self) -> None:
        try:
            self.answered = request_answered(self.address)
        finally:
            self.ended.set()

    @property
    def age(self) -> float:
        return time.monotonic() - self.started


class Reachable:
    """Whether hosts answer, each asked once in the life of a process.

    A host answers where the beginning of an HTTP response arrives in time, whatever its status, after redirects and
    through the proxy that the environment names. A connection alone is no answer: proxies and firewalls take them and
    then keep silent. The time limit is one for everything, name resolution and a slow trickle of bytes included.
    """

    def __init__(self) -> None:
        self._probes: dict[str, _Probe] = {}
        self._known: dict[str, bool] = {}
        self._waited = 0.0

    def begin(self, address: str) -> None:
        """Ask ``address`` now, in the background, because it is going to be wanted."""
        asked = _probe_address(address)
        if asked not in self._known and asked not in self._probes:
            self._probes[asked] = _Probe(asked)

    def __call__(self, address: str) -> bool:
        """Whether the host of ``address`` answers; waits for ``DEADLINE_SECONDS`` at most."""
        asked = _probe_address(address)
        if asked not in self._known:
            self.begin(address)
            probe = self._probes.pop(asked)
            started = time.monotonic()
            probe.ended.wait(max(0.0, max(LEAST_SECONDS, DEADLINE_SECONDS - self._waited) - probe.age))
            self._known[asked] = probe.answered
            if not probe.answered:
                self._waited += time.monotonic() - started
        return self._known[asked]

    def cache_clear(self) -> None:
        """Forget all answers."""
        self.__init__()  # type: ignore[misc]


reachable = Reachable()


def request_answered(address: str) -> bool:
    """Whether the beginning of a response to a GET request of ``address`` arrives; may hang.

    The certificate is not checked: the library that comes after does so, with certificates of its own.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    scheme = urllib.parse.urlsplit(address).scheme
    proxies = {scheme: proxy} if (proxy := _proxy(address)) else {}
    if proxies and urllib.parse.urlsplit(proxies[scheme]).scheme.startswith("socks"):
        return _connects(proxies[scheme])
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context)
    )
    request = urllib.request.Request(address, headers={"User-Agent": "convscope"})
    try:
        with opener.open(request, timeout=DEADLINE_SECONDS) as response:
            response.read(BYTES)
    except urllib.error.HTTPError as error:
        return error.code not in AWAY
    except Exception:  # no connection, no HTTP, no address at all
        return False
    return True


def _probe_address(address: str) -> str:
    """What is asked: the root of the host, of the Hugging Face hub a file; without user and password."""
    url = urllib.parse.urlsplit(address if "://" in address else f"https://{address}")
    root = f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
    if address.rstrip("/") == hugging_face_endpoint().rstrip("/"):
        return f"{root}{url.path.rstrip('/')}{HUGGING_FACE_FILE}"
    return f"{root}/"


def _proxy(address: str) -> str | None:
    url, proxies = urllib.parse.urlsplit(address), urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if proxy and not urllib.request.proxy_bypass(url.hostname or "") else None


def _connects(proxy: str) -> bool:
    """Whether a SOCKS proxy takes connections, which is all that can be asked of it here."""
    url = urllib.parse.urlsplit(proxy)
    try:
        socket.create_connection((url.hostname or "", url.port or 1080), timeout=DEADLINE_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def hugging_face_reachable() -> bool:
    """Whether the Hugging Face hub may be asked, and answers; its downloads then end where they stall."""
    if offline_requested() or not reachable(hugging_face_endpoint()):
        return False
    give_up_stalled_downloads()
    return True


def forbid() -> None:
    """Make the hub's libraries answer from their local cache alone, at once, for the life of the process."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None:  # it has read the environment already
        constants.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]


def give_up_stalled_downloads() -> None:
    """Make the hub's libraries give a request up that gets no answer for ``STALL_SECONDS``.

    They would repeat it five times, with pauses, and then go on with the next file in the same way, which takes
    7 minutes; some of their requests have no time limit at all.
    """
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", f"{STALL_SECONDS:.0f}")
    os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", f"{STALL_SECONDS:.0f}")
    try:
        import huggingface_hub
    except ImportError:
        return
    if not hasattr(huggingface_hub, "set_client_factory"):  # before 1.0, which has no such door
        return
    plain: Any = huggingface_hub.get_session()
    kind = type(plain)
    if kind.__name__ == "ImpatientClient":
        return
    timed_out = sys.modules[kind.__module__.partition(".")[0]].TimeoutException

    class ImpatientClient(kind):  # type: ignore[misc, valid-type]
        """Raises what the library does not take for a reason to try again."""

        def send(self, request: Any, **settings: Any) -> Any:
            """As the client does."""
            try:
                return super().send(request, **settings)
            except timed_out as error:
                host = urllib.parse.urlsplit(str(request.url)).hostname
                raise ConnectionError(f"{host} took the request and did not answer within its time limit") from error

    hooks = plain.event_hooks
    huggingface_hub.set_client_factory(
        lambda: ImpatientClient(event_hooks=hooks, follow_redirects=True, timeout=STALL_SECONDS)
    )


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
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
