"""Is a hub there? Asked once, answered within seconds, before a library spends a minute on finding out."""

import functools
import os
import socket
import sys
import threading
import urllib.parse
import urllib.request

HUGGING_FACE = "https://huggingface.co"
TORCHVISION = "https://download.pytorch.org"
DEADLINE_SECONDS = 4.0


def hugging_face_endpoint() -> str:
    """Address of the Hugging Face hub or of the mirror that ``HF_ENDPOINT`` names."""
    return os.environ.get("HF_ENDPOINT", HUGGING_FACE)


def offline_requested() -> bool:
    """Whether the environment forbids the hub (``HF_HUB_OFFLINE`` or ``HF_DATASETS_OFFLINE``)."""
    return any(
        os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"}
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
    )


@functools.cache
def reachable(address: str) -> bool:
    """Whether the host of ``address`` takes a TCP connection, directly or through the proxy of the environment.

    Answers within ``DEADLINE_SECONDS``, also where name resolution hangs: the look-up runs in a daemon thread
    that is left behind. The answer is kept for the life of the process.
    """
    url = urllib.parse.urlsplit(address)
    proxies = urllib.request.getproxies()
    if url.scheme in proxies and not urllib.request.proxy_bypass(url.hostname or ""):
        url = urllib.parse.urlsplit(proxies[url.scheme])
    port = url.port or (80 if url.scheme == "http" else 443)
    connected = threading.Event()
    ended = threading.Event()

    def connect() -> None:
        try:
            with socket.create_connection((url.hostname or "", port), timeout=DEADLINE_SECONDS):
                connected.set()
        except OSError:
            pass
        finally:
            ended.set()

    threading.Thread(target=connect, daemon=True).start()
    ended.wait(DEADLINE_SECONDS)
    return connected.is_set()


def hugging_face_reachable() -> bool:
    """Whether the Hugging Face hub may and can be asked."""
    return not offline_requested() and reachable(hugging_face_endpoint())


def forbid() -> None:
    """Make the hub's libraries answer from their local cache alone, at once, for the life of the process."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None:  # it has read the environment already
        constants.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
