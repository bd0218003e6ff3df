"""The answers of the local page; every bad upload is refused with a clear 4xx, and the server goes on."""

import base64
import dataclasses
import io
import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import saliency_by_name
import torch
from PIL import Image
from starlette.testclient import TestClient

from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_folder import evaluation_folder
from convscope.data.images.normalisation import Normalisation
from convscope.data.images.resizing import Resizing
from convscope.insight import saliency
from convscope.modalities.images.trained_run import TrainedImageRun
from convscope.modalities.texts.trained_run import TrainedTextRun
from convscope.preprocessing import TextPreprocessing
from convscope.runs.run_folder import RunFolder
from convscope.serving import uploads
from convscope.serving.answers import Answers
from convscope.serving.app import build_app

ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture
def client(trained: TrainedImageRun) -> Iterator[TestClient]:
    with TestClient(build_app(Answers(trained)), base_url=ADDRESS) as client:
        yield client


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def image(height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def decoded(address: str) -> np.ndarray:
    kind, content = address.split(",", 1)
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        return np.asarray(image)


def ask(client: TestClient, content: bytes, name: str = "photo.png", **fields: str) -> Any:
    return client.post("/answer", files={"image": (name, content, "image/png")}, data=fields)


def test_the_answer_is_that_of_the_network(client: TestClient, trained: TrainedImageRun) -> None:
    answer = ask(client, encoded(image())).json()
    pixels = Resizing(32, 3, "bilinear", crop=32)(image())
    batch = Normalisation(trained.preprocessing)(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None])
    with torch.no_grad():
        expected = trained.network(batch).softmax(dim=1)[0]
    probabilities = {row["class"]: row["probability"] for row in answer["probabilities"]}
    assert [probabilities[name] for name in trained.classes] == pytest.approx(expected.tolist(), abs=1e-6)
    assert answer["prediction"] == answer["target"] == trained.classes[int(expected.argmax())]
    assert np.array_equal(decoded(answer["image"]), pixels)
    assert "map" not in answer


def test_a_small_image_is_padded_as_in_training(trained: TrainedImageRun, tmp_path: Path) -> None:
    """LeNet-5 pads MNIST's 28 pixels to 32: the app shows its network the same pixels as the data module does."""
    preprocessing = dataclasses.replace(trained.preprocessing, pad_from=28)
    (tmp_path / "photos/a").mkdir(parents=True)
    pixels = image(28, 31)
    Image.fromarray(pixels).save(tmp_path / "photos/a/0.png")
    source = evaluation_folder(tmp_path / "photos", ("a",))
    data = ImageDataModule(source, preprocessing, batch_size=1, cache_dir=tmp_path / "cache")
    expected = data.store("test").image(0)
    assert not expected[0].any()  # the margin
    app = build_app(Answers(dataclasses.replace(trained, preprocessing=preprocessing)))
    with TestClient(app, base_url=ADDRESS) as client:
        assert np.array_equal(decoded(ask(client, encoded(pixels)).json()["image"]), expected)


@pytest.mark.parametrize("target", ["hot_dog", "not_hot_dog"])
def test_the_map_is_that_of_the_method(client: TestClient, trained: TrainedImageRun, target: str) -> None:
    answer = ask(client, encoded(image()), method="gradient", target=target).json()
    assert (answer["method"], answer["target"]) == ("gradient", target)
    pixels = Resizing(32, 3, "bilinear", crop=32)(image())
    batch = Normalisation(trained.preprocessing)(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None])
    gradient = saliency.gradient(trained.network, batch, torch.tensor([trained.classes.index(target)]))[0].abs()
    drawn = decoded(answer["map"])[..., 3].astype(float).ravel()
    assert drawn.max() == 230
    order = np.argsort(gradient.numpy().ravel())
    assert (np.diff(drawn[order]) >= 0).all()  # the stronger the gradient, the more opaque


def test_about_reports_generated_images(client: TestClient, trained: TrainedImageRun) -> None:
    assert client.get("/about").json()["generated"] is False
    trained.folder.write_summary({"data": {"source": "generated"}})
    assert client.get("/about").json()["generated"] is True


def test_every_method_of_the_page_exists() -> None:
    assert set(TrainedImageRun.app_methods) <= set(saliency_by_name.IMAGE)
    assert set(TrainedTextRun.app_methods) <= set(saliency_by_name.TEXT)


def test_each_method_gives_a_map_or_a_note(client: TestClient) -> None:
    methods_with_map = set()
    for method, title in client.get("/about").json()["methods"].items():
        answer = ask(client, encoded(image()), method=method).json()
        assert answer["prediction"] in {"hot_dog", "not_hot_dog"}
        if "map" in answer:
            methods_with_map.add(method)
            assert decoded(answer["map"]).shape == (32, 32, 4)
        else:
            assert answer["note"].startswith(f"{title}: ")
    assert {"gradient", "smoothgrad", "integrated_gradients", "occlusion"} <= methods_with_map


def bomb(side: int) -> bytes:
    """A PNG of side × side black pixels, a few kilobytes long."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    content = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
BAD = {
    "100 megapixels": (bomb(10_000), "photo.png", 413, "10000 × 10000 pixels; at most 40,000,000"),
    "400 megapixels": (bomb(20_000), "photo.png", 413, "pixels"),
    "a truncated JPEG": (encoded(image(400, 400), "JPEG")[:9000], "photo.jpg", 422, "cannot be read"),
    "an SVG with a script": (SVG, "photo.svg", 415, "not an image of a known kind"),
    "a path": (encoded(image()), "../../x", 400, "The file's name is a path"),
    "a path on Windows": (encoded(image()), "..\\x.png", 400, "The file's name is a path"),
    "nothing": (b"", "photo.png", 415, "not an image"),
    "an image that ends in its header": (encoded(image())[:30], "photo.png", 415, "not an image"),
    "12 MB of noise": (bytes(12_000_001), "photo.png", 413, "bytes"),
    "30 MB of noise": (bytes(30_000_000), "photo.png", 413, "larger than"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_upload_is_refused_and_the_server_lives(client: TestClient, case: str) -> None:
    content, name, status, reason = BAD[case]
    response = ask(client, content, name)
    assert response.status_code == status, response.text
    assert reason in response.json()["error"]
    assert ask(client, encoded(image())).status_code == 200


def test_texts_and_other_requests(client: TestClient) -> None:
    for data, status, reason in (
        ({"text": "good"}, 400, "reads images, not texts"),
        ({"text": "x" * 10_000_000}, 413, "maximum size"),
        ({"text": "x" * (uploads.MAX_CHARACTERS + 1)}, 413, "at most 20,000"),
        ({"text": "  "}, 422, "empty"),
        ({"other": "x"}, 400, "Send either"),
        ({f"field{n}": "x" for n in range(9)}, 400, "Too many fields"),
    ):
        response = client.post("/answer", files={name: (None, value) for name, value in data.items()})
        assert response.status_code == status, response.text
        assert reason in response.json()["error"]
    assert client.post("/answer", content=b"x").status_code == 415
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/answer", content=b"--x\r\nnonsense", headers=headers).status_code == 400
    assert client.post("/answer", content=b"x", headers={"content-type": "multipart/form-data"}).status_code == 400
    assert ask(client, encoded(image()), method="nope").json()["error"].startswith("There is no method 'nope'")
    assert ask(client, encoded(image()), target="cat").json()["error"] == "The network knows no class 'cat'."
    assert client.get("/answer").status_code == 405
    assert client.get("/../../etc/passwd").status_code == 404
    assert ask(client, encoded(image())).status_code == 200


def test_two_files(client: TestClient) -> None:
    both = [("image", ("a.png", encoded(image()))), ("image", ("b.png", encoded(image())))]
    response = client.post("/answer", files=both)
    assert (response.status_code, response.json()) == (400, {"error": "Too many files. Maximum number of files is 1."})


def test_other_pages_may_not_ask(trained: TrainedImageRun, client: TestClient) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    response = client.post("/answer", headers={"origin": "http://evil.example"}, content=b"")
    assert response.status_code == 403
    fine = client.post("/answer", headers={"origin": ADDRESS}, files={"image": ("a.png", encoded(image()))})
    assert fine.status_code == 200
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_nothing_is_written(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    large = encoded(image(1600, 1200))  # more than Starlette keeps in memory by itself
    assert len(large) > 2_000_000

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a temporary file")

    monkeypatch.setattr("tempfile._mkstemp_inner", refuse)
    monkeypatch.setattr("tempfile._TemporaryFileArgs", refuse, raising=False)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert ask(client, large).status_code == 200


def test_a_failing_network_is_no_crash(trained: TrainedImageRun, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(trained)
    monkeypatch.setattr(answers, "answer", lambda _: 1 / 0)
    with TestClient(build_app(answers), base_url=ADDRESS) as client:
        response = ask(client, encoded(image()))
        assert (response.status_code, response.json()) == (
            500, {"error": "The network could not answer (ZeroDivisionError)."},
        )  # fmt: skip


def test_what_the_command_refuses(convscope, tmp_path) -> None:
    ended = convscope("serve", f"run={tmp_path / 'nothing'}", "port=0")
    assert ended.status == 2
    assert "no run lies there (no such folder)" in ended.err
    (tmp_path / "run").mkdir()
    assert "(no config.yaml)" in convscope("serve", f"run={tmp_path / 'run'}", "port=0").err
    (tmp_path / "run/config.yaml").write_text("model: {name: x}\ndata: {name: y}\n")
    assert "has no checkpoint (checkpoints/best.ckpt)" in convscope("serve", f"run={tmp_path / 'run'}", "port=0").err
    assert "port=70000" in convscope("serve", f"run={tmp_path}", "port=70000").err
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = convscope("serve", f"run={tmp_path / 'run'}", f"port={port}")
    assert ended.status == 2
    assert f"port={port}: cannot be used" in ended.err


def test_a_network_for_texts(tmp_path: Path) -> None:

    network = torch.nn.Sequential(OrderedDict(embedding=torch.nn.Embedding(256, 4), head=Mean()))
    config = {"model": {"name": "text_cnn"}, "data": {"name": "movie_reviews"}}
    classes, preprocessing = ("good", "bad"), TextPreprocessing("character", 1000, min_length=2)
    run = TrainedTextRun(RunFolder(tmp_path).create(), config, network, classes, preprocessing, Letters())  # type: ignore[arg-type]
    with TestClient(build_app(Answers(run)), base_url=ADDRESS) as client:
        about = client.get("/about").json()
        assert (about["title"], about["takes"], about["accuracy"]) == ("text_cnn on movie_reviews", "text", None)
        answer = client.post("/answer", files={"text": (None, "a film"), "method": (None, "input_x_gradient")}).json()
        assert answer["prediction"] in classes
        assert sum(row["probability"] for row in answer["probabilities"]) == pytest.approx(1.0)
        assert "".join(token["text"] for token in answer["tokens"]) == "a film"
        assert max(abs(token["share"]) for token in answer["tokens"]) == pytest.approx(1.0)
        assert answer["signed"] is True
        refused = ask(client, encoded(image()))
        assert (refused.status_code, refused.json()["error"]) == (400, "This network reads texts, not images.")
        refused = client.post("/answer", files={"text": (None, "12")})
        assert (refused.status_code, refused.json()["error"]) == (422, "The text has no words that the network reads.")
        assert client.post("/answer", files={"text": (None, "x" * 10_000_000)}).status_code == 413


class Letters:
    """A tokenizer for which each character but a digit is a token."""

    def encode(self, text: str) -> SimpleNamespace:
        places = [place for place, letter in enumerate(text) if not letter.isdecimal()]
        return SimpleNamespace(ids=[ord(text[at]) for at in places], spans=[(at, at + 1) for at in places])


class Mean(torch.nn.Module):
    """The mean of two columns of (N, L, D)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=1)[:, :2]
