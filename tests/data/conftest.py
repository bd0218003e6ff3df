from pathlib import Path

import pytest
from drawn_images import MakeFolder, image
from PIL import Image
from places import SHARED

CASES = SHARED / "cases"
PHOTOS = SHARED / "data" / "hotdog"


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Writes so many PNG images a class folder: ``make_folder({"train/cat": 5, "train/dog": 7})``."""

    def make(counts: dict[str, int], name: str = "images", **size: int) -> Path:
        root = tmp_path / name
        number = 0
        for folder, count in counts.items():
            (root / folder).mkdir(parents=True)
            for place in range(count):
                Image.fromarray(image(number, **size)).save(root / folder / f"{place:04}.png")
                number += 1
        return root

    return make


@pytest.fixture(scope="session")
def photos() -> Path:
    if not PHOTOS.is_dir():
        pytest.skip(f"the photos are not there: {PHOTOS}")
    return PHOTOS


@pytest.fixture(scope="session")
def cases() -> Path:
    """Inputs that once failed."""
    if not CASES.is_dir():
        pytest.skip(f"the cases are not there: {CASES}")
    return CASES
