"""Does a hub answer? Asked once, known within seconds, before a library spends minutes on finding out."""

import importlib.util
import os
import ssl
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

HUGGING_FACE = "https://huggingface.co"
TORCHVISION = "https://download.pytorch.org"
# A small file, on the way that every download takes. A mirror that lacks it says so, which is an answer too.
HUGGING_FACE_FILE = "/timm/resnet18.a1_in1k/resolve/main/config.json"

# Seconds that a process waits for hosts that do not answer: the first for one of them, the second for all together,
# however many they are. Each further one gets half of what is left.
DEADLINE_SECONDS = 3.0
LIMIT_SECONDS = 4.8
STALL_SECONDS = 10.0  # without a byte, after which a download is given up
PATIENCE_SECONDS = 2.5  # of errors without a success between them, after which a hub is given up
BYTES = 1024  # of an answer that have to arrive: some hosts send the first ones and stop
UNREACHABLE = "cannot be reached"
SILENT = "took the request and did not answer within its time limit"
NO_SOCKS = "cannot be asked through a SOCKS proxy without the package socksio (pip install socksio)"


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
        self.address, self.fault, self.started = address, UNREACHABLE, time.monotonic()
        self.ended = threading.Event()
        threading.Thread(target=self._ask, daemon=True, name=f"probe of {address}").start()

    def _ask(self) -> None:
        try:
            self.fault = request_fault(self.address)
        finally:
            self.ended.set()

    @property
    def age(self) -> float:
        return time.monotonic() - self.started


class HostChecks:
    """Whether hosts answer, each asked once in the life of a process.

    A host answers where the beginning of an HTTP response arrives in time, after redirects and through the proxy that
    the environment names; one that is out of order or turns requests away is of no use, and counts as away. A
    connection alone is no answer: proxies and firewalls take them and then keep silent. The time limit is one for
    everything, name resolution and a slow trickle of bytes included.
    """

    def __init__(self) -> None:
        self._probes: dict[str, _Probe] = {}
        self._faults: dict[str, str] = {}  # of each host that was asked; "" where it answers
        self._waited = 0.0
        self._troubled_since: float | None = None

    def begin(self, address: str) -> None:
        """Ask ``address`` now, in the background, because it is going to be wanted."""
        asked = _probe_address(address)
        if asked not in self._faults and asked not in self._probes:
            self._probes[asked] = _Probe(asked)

    def __call__(self, address: str) -> bool:
        """Whether the host of ``address`` answers; waits for ``DEADLINE_SECONDS`` at most."""
        asked = _probe_address(address)
        if asked not in self._faults:
            self.begin(address)
            probe = self._probes.pop(asked)
            started = time.monotonic()
            limit = max(DEADLINE_SECONDS - self._waited, (LIMIT_SECONDS - self._waited) / 2)
            probe.ended.wait(max(0.0, limit - probe.age))
            self._faults[asked] = probe.fault
            if probe.fault:
                self._waited += time.monotonic() - started
        return not self._faults[asked]

    def fault(self, address: str) -> str:
        """What is wrong with a host that does not answer, to follow its name in a sentence."""
        return self._faults.get(_probe_address(address)) or UNREACHABLE

    def give_up(self, address: str, fault: str) -> None:
        """Count the host of ``address`` as away from now on, whatever it answered before."""
        self._faults[_probe_address(address)] = fault

    def given_up(self, address: str) -> bool:
        """Whether the host of ``address`` is known to be away; asks nobody."""
        return bool(self._faults.get(_probe_address(address)))

    def trouble_lasts(self) -> bool:
        """Note an error of a host; whether there was none but errors for ``PATIENCE_SECONDS``."""
        now = time.monotonic()
        if self._troubled_since is None:
            self._troubled_since = now
        return now - self._troubled_since >= PATIENCE_SECONDS

    def trouble_ends(self) -> None:
        """Note a success."""
        self._troubled_since = None

    def cache_clear(self) -> None:
        """Forget all answers."""
        self.__init__()  # type: ignore[misc]


reachable = HostChecks()


def request_fault(address: str) -> str:
    """What is wrong with the response to a GET request of ``address``, "" where it is an answer; may hang."""
    proxy = _proxy(address)
    try:
        if proxy and _is_socks(proxy):
            if socks_is_missing(proxy):
                return NO_SOCKS
            status, body = _ask_through_socks(address, proxy)
        else:
            status, body = _ask(address, proxy)
    except Exception:  # no connection, no HTTP, no address at all
        return UNREACHABLE
    if 300 <= status < 400:
        return "redirects in a circle"
    if turns_away(status):
        return f"answers HTTP {status}"
    # Gateways of networks answer for every host, with a page that asks for a password.
    if status < 300 and address.endswith(HUGGING_FACE_FILE) and (not body or body.lstrip().startswith(b"<")):
        return "answers with something else than its files"
    return ""


def turns_away(status: int) -> bool:
    """Whether a host, or a proxy before it, says that it is out of order, wants a password or has too much to do."""
    return status in (407, 408, 429) or status >= 500


def _ask(address: str, proxy: str | None) -> tuple[int, bytes]:
    """Status and first bytes of an answer.

    The certificate is not checked: the library that comes after does so, with certificates of its own.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({urllib.parse.urlsplit(address).scheme: proxy} if proxy else {}),
        urllib.request.HTTPSHandler(context=context),
    )
    request = urllib.request.Request(address, headers={"User-Agent": "convscope"})
    try:
        with opener.open(request, timeout=DEADLINE_SECONDS) as response:
            return response.status, response.read(BYTES)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b"" if turns_away(error.code) else error.read(BYTES)


def _ask_through_socks(address: str, proxy: str) -> tuple[int, bytes]:
    """As ``_ask``, with the library that the downloads come by: Python's own knows no SOCKS."""
    library: Any = library_of(hub_client())
    with (
        library.Client(proxy=proxy, verify=False, follow_redirects=True, timeout=DEADLINE_SECONDS) as client,
        client.stream("GET", address, headers={"User-Agent": "convscope"}) as response,
    ):
        return response.status_code, next(response.iter_bytes(BYTES), b"")


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


def _is_socks(proxy: str) -> bool:
    return urllib.parse.urlsplit(proxy).scheme.startswith("socks")


def socks_is_missing(*proxies: str) -> bool:
    """Whether one of ``proxies`` needs a package that is not installed."""
    return any(map(_is_socks, proxies)) and importlib.util.find_spec("socksio") is None


def hub_client() -> Any:
    """The HTTP client of the hub's library."""
    import huggingface_hub

    return huggingface_hub.get_session()


def library_of(session: Any) -> Any:
    """httpx, under whatever name the hub's library has it."""
    return sys.modules[type(session).__module__.partition(".")[0]]
