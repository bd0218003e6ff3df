"""A host that does not answer is recognised in time, in whatever way it fails."""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from convscope import hub, hub_downloads
from convscope.errors import UserError
from convscope.hub import reachable

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def answers(connection: socket.socket, path: str) -> None:
    connection.sendall(ANSWER)


def stays_silent(connection: socket.socket, path: str) -> None:
    connection.recv(1)  # until the other side hangs up


def trickles(connection: socket.socket, path: str) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def stops_after_its_headers(connection: socket.socket, path: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    connection.recv(1)


def refuses_and_stops(connection: socket.socket, path: str) -> None:
    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n")
    connection.recv(1)


def stops_in_its_body(connection: socket.socket, path: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 2048)
    connection.recv(1)


def hangs_up(connection: socket.socket, path: str) -> None:
    pass


def speaks_no_http(connection: socket.socket, path: str) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n")


def status(code: int, headers: str = "") -> Callable[[socket.socket, str], None]:
    def answer(connection: socket.socket, path: str) -> None:
        connection.sendall(f"HTTP/1.1 {code} X\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())

    return answer


class Server:
    """Accepts connections on the loopback, hands them to ``behave``, and records the request lines."""

    def __init__(self, behave: Callable[[socket.socket, str], None]) -> None:
        self.behave = behave
        self.requests: list[str] = []
        self.connections: list[socket.socket] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        try:
            request = b""
            while b"\r\n\r\n" not in request:
                request += (piece := connection.recv(4096))
                if not piece:
                    return
            line = request.split(b"\r\n")[0].decode()
            self.requests.append(line)
            self.behave(connection, line.split()[1])
        except OSError:
            pass  # the other side has hung up
        finally:
            connection.close()

    def close(self) -> None:
        self.socket.close()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(behave: Callable[[socket.socket, str], None]) -> Server:
        servers.append(Server(behave))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set short limits, remove proxies from the environment, and forget all answers."""
    for name in [*os.environ]:
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(hub, "DEADLINE_SECONDS", 0.4)
    monkeypatch.setattr(hub, "LIMIT_SECONDS", 0.6)
    reachable.cache_clear()
    yield
    reachable.cache_clear()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function that forgets all answers, and sets a long limit for answers that come on a busy machine too."""

    def wait_long() -> None:
        reachable.cache_clear()
        monkeypatch.setattr(hub, "DEADLINE_SECONDS", 15.0)

    return wait_long


@pytest.mark.parametrize(
    ("behave", "expected"),
    [(answers, True), (status(200), True), (status(404), True), (status(401), True), (status(405), True),
     (status(500), False), (status(429, "Retry-After: 300\r\n"), False), (refuses_and_stops, False),
     (status(302, "Location: /\r\n"), False),
     (stays_silent, False), (trickles, False), (stops_after_its_headers, False), (hangs_up, False),
     (speaks_no_http, False), (status(502), False), (status(503), False), (status(504), False)],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_a_host_answers_with_the_beginning_of_a_response(serve, patient, behave, expected) -> None:
    if expected:
        patient()
    assert reachable(serve(behave).address) is expected


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert not reachable(f"http://127.0.0.1:{port}")
    assert not reachable("https://hub.invalid")
    assert not reachable("nonsense://")


@pytest.mark.timeout(20)
def test_a_tls_handshake_that_stalls(serve) -> None:
    server = serve(stays_silent)
    assert not reachable(server.address.replace("http:", "https:"))


@pytest.mark.timeout(20)
def test_a_name_that_is_not_resolved_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait() and [])
    assert not reachable("https://hub.example")
    released.set()


@pytest.mark.timeout(20)
def test_a_redirect_is_followed(serve, patient) -> None:
    silent, here = serve(stays_silent), serve(answers)
    assert not reachable(serve(status(302, f"Location: {silent.address}/\r\n")).address)
    patient()
    assert reachable(serve(status(302, f"Location: {here.address}/there\r\n")).address)
    assert here.requests == ["GET /there HTTP/1.1"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_what_counts_is_the_answer_through_the_proxy(serve, monkeypatch, patient, name) -> None:
    host, proxy = serve(answers), serve(stays_silent)
    monkeypatch.setenv(name, proxy.address)
    assert not reachable("http://hub.example")
    patient()
    proxy.behave, proxy.requests = answers, []
    assert reachable("http://hub.example")
    assert proxy.requests == ["GET http://hub.example/ HTTP/1.1"]
    reachable.cache_clear()
    proxy.behave = status(407)
    assert not reachable("http://hub.example")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert reachable(host.address)
    assert host.requests == ["GET / HTTP/1.1"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("behave", [stays_silent, trickles, status(403)])
def test_a_proxy_that_makes_no_tunnel(serve, monkeypatch, behave) -> None:
    monkeypatch.setenv("HTTPS_PROXY", serve(behave).address)
    assert not reachable("https://hub.example")


def test_a_host_gets_one_request_and_no_password(serve, patient) -> None:
    patient()
    server = serve(answers)
    for _ in range(3):
        assert reachable(server.address.replace("//", "//me:secret@") + "/sub/folder?token=secret")
    assert server.requests == ["GET / HTTP/1.1"]


def test_hosts_that_hang_are_waited_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that advances only while waiting, all waits are measured exactly."""
    waits: list[float] = []

    class Silent:
        def __init__(self, address: str) -> None:
            self.fault, self.started, self.ended = hub.UNREACHABLE, sum(waits), self

        @property
        def age(self) -> float:
            return sum(waits) - self.started

        def wait(self, seconds: float) -> None:
            waits.append(seconds)

    monkeypatch.setattr(hub, "_Probe", Silent)
    monkeypatch.setattr(hub.time, "monotonic", lambda: sum(waits))
    monkeypatch.setattr(hub, "DEADLINE_SECONDS", 3.0)
    monkeypatch.setattr(hub, "LIMIT_SECONDS", 4.8)
    reachable.start_probe("https://wandb.example")
    for host in ("data", "data", "weights", "wandb", "old weights", "mlflow"):
        assert not reachable(f"https://{host}.example")
    assert waits == pytest.approx([3.0, 0.9, 0.0, 0.45, 0.225])  # a probe that was started early has used up its time


def test_any_number_of_hosts_costs_less_than_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert hub.DEADLINE_SECONDS < hub.LIMIT_SECONDS < 5


@pytest.fixture
def mirror(serve, monkeypatch) -> Server:
    server = serve(stays_silent)
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    return server


@pytest.mark.timeout(60)
def test_drawn_hot_dogs_instead_of_a_silent_hub(mirror) -> None:
    from convscope.data.images.hotdog import hotdog

    source = hotdog()
    assert source.source == "generated"
    assert source.warnings == (
        "training on generated scenes, since data.root is not set and the hub's set cannot be used: "
        "the hub cannot be reached",
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("behave", "fault"),
    [(status(302, "Location: /\r\n"), "redirects in a circle"), (status(500), "answers HTTP 500"),
     (status(429, "Retry-After: 300\r\n"), "answers HTTP 429"),
     (status(200), "answers with something else than its files")],
)  # fmt: skip
def test_the_message_says_what_the_hub_answered(mirror, patient, behave, fault) -> None:
    from convscope.data.hub_sets import load_hub_set
    from convscope.data.images.hotdog import hotdog

    mirror.behave = behave
    patient()
    assert hotdog().warnings == (
        f"training on generated scenes, since data.root is not set and the hub's set cannot be used: the hub {fault}",
    )
    with pytest.raises(UserError, match=f"the hub {mirror.address} {fault}"):
        load_hub_set("somebody/birds", None, "wait")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTPS_PROXY"])
def test_a_socks_proxy_that_the_hubs_library_cannot_use(mirror, serve, monkeypatch, name) -> None:
    from convscope.data.images.hotdog import hotdog

    proxy = serve(stays_silent)
    monkeypatch.setitem(sys.modules, "socksio", None)  # not installed
    monkeypatch.setenv(name, proxy.address.replace("http:", "socks5h:"))
    (warning,) = hotdog().warnings
    assert warning.startswith(
        "training on generated scenes, since data.root is not set and the hub's set cannot be used: "
        "the hub cannot be reached through a SOCKS proxy without the package socksio (pip install"
    )
    assert proxy.connections == mirror.connections == []
    assert not reachable("https://other.example")
    assert reachable.fault("https://other.example") == hub.NO_SOCKS


@pytest.fixture
def client(monkeypatch) -> Iterator[Callable[[], Any]]:
    """Return a function that creates the client of ``huggingface_hub`` with the current limits."""
    import huggingface_hub
    from huggingface_hub import constants

    def make() -> Any:
        hub_downloads.give_up_stalled_downloads()
        huggingface_hub.close_session()
        return huggingface_hub.get_session()

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield make
    huggingface_hub.close_session()


@pytest.mark.timeout(60)
def test_the_cache_is_read_in_spite_of_a_socks_proxy(mirror, monkeypatch, client) -> None:
    import huggingface_hub

    hub_downloads.give_up_stalled_downloads()
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with hub_downloads.cache_only(), pytest.raises(huggingface_hub.errors.OfflineModeIsEnabled):
        client().get(mirror.address)
    assert "no_proxy" not in os.environ
    assert not huggingface_hub.constants.HF_HUB_OFFLINE


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("behave", "fault"),
    [(status(429), "answers HTTP 429"), (status(503, "Retry-After: 300\r\n"), "answers HTTP 503"),
     (status(302, "Location: /\r\n"), "redirects in a circle"), (stays_silent, hub.SILENT),
     (refuses_and_stops, hub.SILENT)],
)  # fmt: skip
def test_a_hub_that_fails_half_way_is_given_up(mirror, monkeypatch, client, behave, fault) -> None:
    monkeypatch.setattr(hub, "STALL_SECONDS", 0.3 if fault == hub.SILENT else 30.0)
    mirror.behave = behave
    session = client()
    with pytest.raises(ConnectionError, match=f"127.0.0.1 {fault}"):
        session.get(mirror.address)
    connections = len(mirror.connections)
    with pytest.raises(ConnectionError, match=f"127.0.0.1 {fault}"):
        session.get(mirror.address)
    assert not hub_downloads.hugging_face_reachable()
    assert len(mirror.connections) == connections


@pytest.mark.timeout(60)
@pytest.mark.parametrize("behave", [status(500), hangs_up])
def test_errors_that_pass_are_left_to_the_library(mirror, monkeypatch, client, behave) -> None:
    def errors() -> None:
        try:
            assert session.get(mirror.address).status_code == 500
        except hub_downloads.network_errors():
            assert behave is hangs_up

    session = client()
    monkeypatch.setattr(hub, "PATIENCE_SECONDS", 1000.0)
    mirror.behave = behave
    errors()
    mirror.behave = answers
    assert session.get(mirror.address).status_code == 200
    mirror.behave = behave
    errors()
    monkeypatch.setattr(hub, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(ConnectionError):
        session.get(mirror.address)


@pytest.mark.timeout(60)
def test_a_download_that_brings_nothing_is_given_up(mirror, monkeypatch, client) -> None:
    mirror.behave = stops_in_its_body
    with client().stream("GET", mirror.address) as response:
        response.request.extensions["timeout"]["read"] = 0.3
        with pytest.raises(hub_downloads.network_errors()):  # the library resumes the download there
            list(response.iter_bytes(chunk_size=10_000_000))
    monkeypatch.setattr(hub, "STALL_SECONDS", 0.3)
    session = client()
    mirror.behave = stops_after_its_headers
    with pytest.raises(ConnectionError, match=hub.SILENT), session.stream("GET", mirror.address) as response:
        list(response.iter_bytes(chunk_size=10_000_000))


@pytest.mark.timeout(60)
def test_weights_of_a_hub_that_fails_half_way(mirror, patient) -> None:
    from convscope.models.weights import find_weights

    class Known:
        name, packaged, hub, cached = "net", None, "net.v1", False

        def hub_address(self) -> str:
            return mirror.address

        def hub_state(self, offline: bool) -> dict[str, Any]:
            if not (offline and self.cached):
                raise ConnectionError("it fell silent\nand more")
            return {}

    mirror.behave = answers
    patient()
    network: Any = Known()
    weights = find_weights(network, "auto")
    assert weights.source == "random"
    assert weights.warning == (
        "the hub with weights of net (net.v1) did not serve them (it fell silent): training starts from random weights"
    )
    with pytest.raises(
        UserError, match=r"^model.weights=hub: http\S+ did not serve them \(it fell silent\) and [^\n]+$"
    ):
        find_weights(network, "hub")
    network.cached = True
    assert find_weights(network, "auto").source == find_weights(network, "hub").source == "hub"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_hot_dogs_and_weights_of_a_silent_hub_cost_one_question(mirror) -> None:
    from architectures import find_architecture

    from convscope.data.images.hotdog import hotdog
    from convscope.models.weights import find_weights

    source = hotdog()
    assert source.source == "generated"
    assert source.warnings == (
        "training on generated scenes, since data.root is not set and the hub's set cannot be used: "
        "the hub cannot be reached",
    )
    weights = find_weights(find_architecture("resnet"), "auto")
    assert weights.source == "random"
    assert weights.warning is not None
    assert "cannot be reached" in weights.warning
    assert len(mirror.connections) <= 1  # none, where the machine was too busy to connect in time


def test_an_own_limit_of_the_user_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "77")
    hub_downloads.give_up_stalled_downloads()
    assert os.environ["HF_HUB_DOWNLOAD_TIMEOUT"] == "77"


STALLED = """
import sys
from convscope import hub
hub.STALL_SECONDS = 0.3
from convscope.data.hub_sets import load_hub_set
from convscope.errors import UserError
from convscope.models.images.zoo.timm_models import architecture
from convscope.models.weights import find_weights
network = architecture("resnet18", {})
for load in (lambda: load_hub_set("some/set", None, "wait"), lambda: find_weights(network, "hub")):
    hub.reachable.cache_clear()
    try:
        load()
    except UserError as error:
        print(error)
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_download_that_stalls_after_the_answer_is_given_up_at_once(serve, tmp_path) -> None:
    import subprocess

    def behave(connection: socket.socket, path: str) -> None:
        (answers if path == hub.HUGGING_FACE_FILE else stays_silent)(connection, path)

    server = serve(behave)
    environment = {
        **os.environ, "HF_ENDPOINT": server.address, "HF_HOME": str(tmp_path), "HF_HUB_ETAG_TIMEOUT": "1",
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", STALLED], env=environment, capture_output=True, text=True, timeout=100
    )
    of_data, of_weights = ended.stdout.splitlines()
    assert of_data.startswith("some/set cannot be loaded: ")
    assert "127.0.0.1 took the request and did not answer within its time limit" in of_weights
    assert len(server.requests) <= 5  # and not six times each file


def test_sockets_get_their_limit_back() -> None:
    before = socket.getdefaulttimeout()
    with hub_downloads.sockets_time_out():
        assert socket.getdefaulttimeout() == hub.STALL_SECONDS
    assert socket.getdefaulttimeout() == before


def test_old_weights_of_another_host_are_not_downloaded_offline(tmp_path) -> None:
    with pytest.raises(LookupError, match="net is not in torch's cache"):
        hub_downloads.refuse_download("https://host/net.pth?x=1", str(tmp_path), "net")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "net.pth").touch()
    hub_downloads.refuse_download("https://host/net.pth?x=1", str(tmp_path), "net")
