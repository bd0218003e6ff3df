"""Checks whether a host answers, once and within seconds, before a library spends minutes on finding out."""

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
# A small file, requested as every download is. A mirror that lacks it answers that it does, which is an answer too.
HUGGING_FACE_FILE = "/timm/resnet18.a1_in1k/resolve/main/config.json"

# Seconds that a process waits for hosts that do not answer: DEADLINE_SECONDS for one host, LIMIT_SECONDS for all hosts
# together, however many they are. Each further host gets half of the remaining time.
DEADLINE_SECONDS = 3.0
LIMIT_SECONDS = 4.8
STALL_SECONDS = 10.0  # without a byte, after which a download is given up
PATIENCE_SECONDS = 2.5  # of errors without a success between them, after which a hub is given up
PROBE_BYTES = 1024  # of a response that have to arrive: some hosts send the first bytes and stop
UNREACHABLE = "cannot be reached"
SILENT = "took the request and did not answer within its time limit"
NO_SOCKS = "cannot be reached through a SOCKS proxy without the package socksio (pip install socksio)"


def hugging_face_endpoint() -> str:
    """Return the address of the Hugging Face hub, or of the mirror that ``HF_ENDPOINT`` names."""
    return os.environ.get("HF_ENDPOINT", HUGGING_FACE)


def offline_mode() -> bool:
    """Return whether the environment forbids the hub (``HF_HUB_OFFLINE`` or ``HF_DATASETS_OFFLINE``)."""
    return any(
        os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"}
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
    )


class _Probe:
    """Sends one request to an address, in a daemon thread that is abandoned if it hangs."""

    def __init__(self, address: str) -> None:
        self.address, self.fault, self.started = address, UNREACHABLE, time.monotonic()
        self.ended = threading.Event()
        threading.Thread(target=self._run, daemon=True, name=f"probe of {address}").start()

    def _run(self) -> None:
        try:
            self.fault = request_fault(self.address)
        finally:
            self.ended.set()

    @property
    def age(self) -> float:
        return time.monotonic() - self.started


class HostChecks:
    """Checks whether hosts answer; each host gets one request in the life of a process.

    A host answers if the beginning of an HTTP response arrives in time, after redirects and through the proxy that
    the environment names. A host that reports being unavailable (see ``is_unavailable``) counts as unreachable. A
    connection alone is no answer: proxies and firewalls accept connections and then keep silent. One time limit covers
    everything, including name resolution and a slow trickle of bytes.
    """

    def __init__(self) -> None:
        self._probes: dict[str, _Probe] = {}
        self._faults: dict[str, str] = {}  # by probe address; "" if the host answers
        self._waited = 0.0
        self._errors_since: float | None = None

    def start_probe(self, address: str) -> None:
        """Send the request to the host of ``address`` now, in the background, because its answer is needed later."""
        probed = _probe_address(address)
        if probed not in self._faults and probed not in self._probes:
            self._probes[probed] = _Probe(probed)

    def __call__(self, address: str) -> bool:
        """Return whether the host of ``address`` answers; wait for ``DEADLINE_SECONDS`` at most."""
        probed = _probe_address(address)
        if probed not in self._faults:
            self.start_probe(address)
            probe = self._probes.pop(probed)
            started = time.monotonic()
            limit = max(DEADLINE_SECONDS - self._waited, (LIMIT_SECONDS - self._waited) / 2)
            probe.ended.wait(max(0.0, limit - probe.age))
            self._faults[probed] = probe.fault
            if probe.fault:
                self._waited += time.monotonic() - started
        return not self._faults[probed]

    def fault(self, address: str) -> str:
        """Return what is wrong with a host that does not answer, as the end of a sentence that begins with its name."""
        return self._faults.get(_probe_address(address)) or UNREACHABLE

    def mark_unreachable(self, address: str, fault: str) -> None:
        """Count the host of ``address`` as unreachable from now on, whatever it answered before."""
        self._faults[_probe_address(address)] = fault

    def is_marked_unreachable(self, address: str) -> bool:
        """Return whether the host of ``address`` is known to be unreachable, without sending a request."""
        return bool(self._faults.get(_probe_address(address)))

    def record_error(self) -> bool:
        """Record an error of a host; return whether there were only errors for ``PATIENCE_SECONDS``."""
        now = time.monotonic()
        if self._errors_since is None:
            self._errors_since = now
        return now - self._errors_since >= PATIENCE_SECONDS

    def record_success(self) -> None:
        """Record a success, so that ``record_error`` counts its time anew."""
        self._errors_since = None

    def cache_clear(self) -> None:
        """Forget all answers, so that each host is probed again."""
        self.__init__()  # type: ignore[misc]


reachable = HostChecks()


def request_fault(address: str) -> str:
    """Send a GET request to ``address`` and return what is wrong with the response, or "". The request may hang."""
    proxy = _proxy(address)
    try:
        if proxy and _is_socks(proxy):
            if socks_is_missing(proxy):
                return NO_SOCKS
            status, body = _get_through_socks(address, proxy)
        else:
            status, body = _get(address, proxy)
    except Exception:  # no connection, not HTTP, not an address at all
        return UNREACHABLE
    if 300 <= status < 400:
        return "redirects in a circle"
    if is_unavailable(status):
        return f"answers HTTP {status}"
    # Captive portals answer for every host, with a login page.
    if status < 300 and address.endswith(HUGGING_FACE_FILE) and (not body or body.lstrip().startswith(b"<")):
        return "answers with something else than its files"
    return ""


def is_unavailable(status: int) -> bool:
    """Return whether an HTTP status says that a host, or its proxy, fails, demands a password or is overloaded."""
    return status in (407, 408, 429) or status >= 500


def _get(address: str, proxy: str | None) -> tuple[int, bytes]:
    """Return the HTTP status and the first bytes of the response to a GET request.

    The certificate is not checked: the library that sends the later requests does so, with certificates of its own.
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
            return response.status, response.read(PROBE_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b"" if is_unavailable(error.code) else error.read(PROBE_BYTES)


def _get_through_socks(address: str, proxy: str) -> tuple[int, bytes]:
    """Do the same as ``_get``, with the HTTP library of the downloads: Python's own does not support SOCKS."""
    library: Any = http_library(hub_client())
    with (
        library.Client(proxy=proxy, verify=False, follow_redirects=True, timeout=DEADLINE_SECONDS) as client,
        client.stream("GET", address, headers={"User-Agent": "convscope"}) as response,
    ):
        return response.status_code, next(response.iter_bytes(PROBE_BYTES), b"")


def _probe_address(address: str) -> str:
    """Return the address to probe: the root of the host, or a file of the Hugging Face hub; without credentials."""
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
    """Return whether one of ``proxies`` is a SOCKS proxy and the package that it needs is not installed."""
    return any(map(_is_socks, proxies)) and importlib.util.find_spec("socksio") is None


def hub_client() -> Any:
    """Return the HTTP client of ``huggingface_hub``."""
    import huggingface_hub

    return huggingface_hub.get_session()


def http_library(session: Any) -> Any:
    """Return the module httpx of the client ``session``, under the name by which ``huggingface_hub`` imports it."""
    return sys.modules[type(session).__module__.partition(".")[0]]
