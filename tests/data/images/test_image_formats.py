"""Every ordinary image format is read; warnings count the files that are skipped."""

import io

import numpy as np
import pytest
from drawn_images import MakeFolder, image
from PIL import Image

from convscope.data.images.decoding import decode_image
from convscope.data.images.image_folder import evaluation_folder, image_folder
from convscope.data.images.image_formats import FORMATS, image_endings, readable_formats
from convscope.data.images.image_source import BadImageError
from convscope.data.images.prepared_images import read_images
from convscope.errors import UserError
from convscope.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(size=8, channels=3, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
LOSSLESS = {
    "bmp": {},
    "dib": {},
    "pcx": {},
    "pnm": {},
    "ppm": {},
    "apng": {},
    "qoi": {},
    "sgi": {},
    "tga": {},
    "tiff": {},
}
LOSSLESS |= {"jp2": {"irreversible": False}, "j2k": {}, "webp": {"lossless": True}}
LOSSY = ["jfif", "jpe", "JPG", "avif", "mpo", "Jfif"]


@pytest.mark.parametrize("ending", [*LOSSLESS, *LOSSY, "gif", "ico"])
def test_each_ending_is_found_and_decoded(ending: str, make_folder: MakeFolder) -> None:
    root = make_folder({"a": 1, "b": 1})
    image = Image.fromarray(np.broadcast_to(np.arange(0, 160, 10, dtype=np.uint8)[:, None, None], (16, 16, 3)).copy())
    image.save(root / "a" / f"photo.{ending}", **LOSSLESS.get(ending, {}))
    split = evaluation_folder(root).splits["test"]
    assert f"a/photo.{ending}" in split.names
    decoded = split.read(list(split.names).index(f"a/photo.{ending}"))
    assert decoded.shape == (16, 16, 3)
    assert np.abs(decoded.astype(int) - np.asarray(image)).max() <= (0 if ending in LOSSLESS else 12)
    assert read_images(root / "a", PREPROCESSING, 9).names == ["0000.png", f"photo.{ending}"]


@pytest.mark.parametrize("ending", ["jif", "jfi", "pjpeg", "PJP"])
def test_endings_of_jpeg_files_that_pillow_does_not_register(ending: str, make_folder: MakeFolder) -> None:
    root = make_folder({"a": 1, "b": 1})
    Image.fromarray(image(1)).save(root / "a" / f"photo.{ending}", "JPEG")
    source = evaluation_folder(root)
    assert source.splits["test"].names == ["a/0000.png", f"a/photo.{ending}", "b/0000.png"]
    assert source.splits["test"].read(1).shape == image(1).shape
    assert source.warnings == ()


def test_grey_maps_and_bitmaps(make_folder: MakeFolder) -> None:
    root = make_folder({"a": 1, "b": 1})
    Image.fromarray(image(1)[..., 0]).save(root / "a" / "1.pgm")
    Image.fromarray(image(1)[..., 0] > 99).save(root / "a" / "2.pbm")
    (root / "a" / "3.pgm").write_bytes(b"P5 2 1 65535\n" + np.array([257, 65535], ">u2").tobytes())
    split = evaluation_folder(root).splits["test"]
    assert split.names == ["a/0000.png", "a/1.pgm", "a/2.pbm", "a/3.pgm", "b/0000.png"]
    assert np.array_equal(split.read(1)[..., 2], image(1)[..., 0])
    assert np.array_equal(split.read(2)[..., 2] == 255, image(1)[..., 0] > 99)
    assert split.read(3)[0, :, 0].tolist() == [1, 255]


def test_the_endings_are_those_of_images_alone() -> None:
    assert {
        ".jpg",
        ".jfif",
        ".jpe",
        ".pgm",
        ".pbm",
        ".pnm",
        ".avif",
        ".jp2",
        ".tga",
        ".ico",
        ".webp",
    } <= image_endings()
    assert not {".eps", ".ps", ".pdf", ".mpg", ".h5", ".hdf", ".grib", ".wmf", ".pfm", ".txt", ""} & image_endings()
    assert {*readable_formats()} == {*FORMATS} - {"MPO"}  # Pillow opens an MPO file as a JPEG


def test_the_content_of_a_file_starts_no_other_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ghostscript would run the program in an EPS file, whatever the name of the file."""
    stream = io.BytesIO()
    Image.fromarray(image(0)).save(stream, "EPS")
    monkeypatch.setattr("subprocess.check_call", lambda *arguments, **options: pytest.fail("a program was started"))
    with pytest.raises(BadImageError, match="not an image, or of an unknown format"):
        decode_image(stream.getvalue(), "photo.jpg")


def test_warnings_count_the_skipped_files(make_folder: MakeFolder) -> None:
    root = make_folder({"cat": 20, "dog": 20})
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "notes.txt", "boxes.xml", "labels.CSV"):
        (root / "cat" / name).write_bytes(b"")
    assert image_folder(root).warnings == ()
    for name in ("cat/b.HEIC", "cat/a.heic", "dog/c.svg", "dog/d.cr2", "dog/e.pfm", "dog/0001", "cat/odd.xyz"):
        (root / name).write_bytes(b"")
    (root / "cover.jpg").write_bytes(b"")
    expected = (
        f"{root}: skipped 5 files of formats that cannot be read (dog/d.cr2, cat/a.heic, dog/e.pfm, ...); "
        "convert them to JPEG",
        f"{root}: skipped 2 files without an image file extension (dog/0001, cat/odd.xyz)",
        f"{root}: skipped 1 image(s) that lie in no class folder (cover.jpg)",
    )
    assert image_folder(root).warnings == expected
    assert evaluation_folder(root).warnings == expected


def test_a_class_of_images_that_cannot_be_read_is_refused_and_named(make_folder: MakeFolder) -> None:
    root = make_folder({"cat": 9, "dog": 0})
    (root / "dog" / "a.heic").write_bytes(b"")
    with pytest.raises(
        UserError, match=r"but 1 file of formats that cannot be read \(dog/a.heic\); convert them to JPEG"
    ):
        image_folder(root)
    with pytest.raises(UserError, match=r"there is no image in this folder .*, but 1 file of formats .*a.heic"):
        read_images(root / "dog", PREPROCESSING, 9)


def test_a_warning_counts_skipped_files_of_explained_images(make_folder: MakeFolder, trained, capsys) -> None:
    root = make_folder({"cat": 2})
    (root / "cat" / "a.heic").write_bytes(b"")
    images = read_images(root, PREPROCESSING, 9)
    assert len(images.names) == len(images.pixels) == len(images.inputs) == 2
    assert "skipped 1 file of formats that cannot be read" in "".join(images.warnings)
    trained.examples_to_explain(str(root), None, 9)
    assert "skipped 1 file of formats that cannot be read" in "".join(capsys.readouterr())
