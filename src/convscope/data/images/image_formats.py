"""Which files are images, by the ending of their name, and which of these can be read."""

import functools
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image, features

# Pillow reads more. Left out is what may be no image (HDF5, GRIB, MPEG, FITS), what runs another program (EPS starts
# Ghostscript, and a file's content, not its name, decides that), and what no data set is made of.
FORMATS = [
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000", "MPO", "DIB", "DDS", "ICNS", "ICO"),
    *("PCX", "PSD", "QOI", "SGI", "SUN", "XBM", "XPM", "TGA"),
]
OPTIONAL = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}  # what Pillow may have been built without
JPEG_TOO = {".jif", ".jfi", ".pjpeg", ".pjp"}  # endings of JPEG files that Pillow reads, and does not register
FLOATS = {".pfm"}  # of FORMATS, but of pixels that have no range
UNREADABLE = FLOATS | {
    *(".heic", ".heif", ".hif", ".jxl", ".jxr", ".svg", ".svgz", ".eps", ".ps", ".ai", ".wmf", ".emf", ".exr", ".hdr"),
    *(".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw", ".raw"),
    *(".dcm", ".xcf", ".avif", ".avifs", ".jp2", ".j2k", ".webp"),
}
BESIDE_IMAGES = {  # what lies beside images, and is none
    *(".txt", ".xml", ".json", ".jsonl", ".csv", ".tsv", ".md", ".rst", ".html", ".htm", ".yaml", ".yml", ".toml"),
    *(".ini", ".cfg", ".log", ".db", ".lnk", ".url", ".py", ".ipynb", ".sh", ".npy", ".npz", ".pkl", ".mat", ".h5"),
    *(".hdf5", ".parquet", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"),
}
EXAMPLES = 3
USUAL = "jpg, png, webp, tif, bmp, gif, avif, jp2, pgm and what else Pillow reads"


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """What ``Image.open`` may take a file for, by its content: those of ``FORMATS`` that the installed Pillow opens."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@functools.cache
def image_endings() -> frozenset[str]:
    """The endings, in lower case and with their dot, of the image files that the installed Pillow can read."""
    Image.init()
    readable = {name for name in FORMATS if name not in OPTIONAL or features.check(OPTIONAL[name])}
    endings = {ending for ending, name in Image.registered_extensions().items() if name in readable}
    return frozenset((endings | JPEG_TOO) - FLOATS)


def ending_of(name: str) -> str:
    """What follows the last dot of ``name``, in lower case and with the dot."""
    return os.path.splitext(name)[1].lower()


def is_image_name(name: str) -> bool:
    """Whether a file of this name is an image that can be read."""
    return ending_of(name) in image_endings()


@dataclass
class LeftOut:
    """Files of a folder that are not read: counted by their endings, with an example of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    loose: list[str] = field(default_factory=list)  # images that lie in no class folder

    def add(self, name: str) -> None:
        """Count the file ``name``, unless its ending is that of notes, tables or archives."""
        ending = ending_of(name)
        if ending not in BESIDE_IMAGES:
            self.counts[ending] += 1
            self.examples[ending] = min(name, self.examples.get(ending, name))

    def include(self, other: "LeftOut") -> None:
        """Count what ``other`` has counted."""
        self.counts += other.counts
        self.examples = other.examples | self.examples

    def sentences(self, folder: object) -> list[str]:
        """What was left out of ``folder``: images that cannot be read, and files with the endings of nothing known."""
        others = [ending for ending in sorted(self.counts) if ending not in UNREADABLE]
        said = [f"{folder}: passed over{self.unreadable()}"] if self._images() else []
        if others:
            said.append(
                f"{folder}: passed over {self._count(others)} whose names do not end as those of images do "
                f"({self._shown(others)})"
            )
        if self.loose:
            shown = ", ".join([*self.loose[:EXAMPLES], *(["..."] if len(self.loose) > EXAMPLES else [])])
            said.append(f"{folder}: passed over {len(self.loose):,} image(s) that lie in no class folder ({shown})")
        return said

    def unreadable(self) -> str:
        """A clause about the images that cannot be read, with a blank before it; empty where there are none."""
        images = self._images()
        if not images:
            return ""
        return f" {self._count(images)} of formats that cannot be read ({self._shown(images)}); convert them to JPEG"

    def _images(self) -> list[str]:
        return [ending for ending in sorted(self.counts) if ending in UNREADABLE]

    def _count(self, endings: Sequence[str]) -> str:
        count = sum(self.counts[ending] for ending in endings)
        return f"{count:,} file" if count == 1 else f"{count:,} files"

    def _shown(self, endings: Sequence[str]) -> str:
        shown = [self.examples[ending] for ending in endings[:EXAMPLES]]
        more = len(endings) > EXAMPLES or any(self.counts[ending] > 1 for ending in endings)
        return ", ".join([*shown, "..."] if more else shown)
