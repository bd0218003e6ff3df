"""Image formats: which files are images by the ending of their names, and which of these can be read."""

import functools
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image, features

# Pillow reads more formats. Left out are those that may hold no image (HDF5, GRIB, MPEG, FITS), those that run another
# program (EPS starts Ghostscript, and the content of a file decides that, not its name), and those of no data set.
FORMATS = [
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000", "MPO", "DIB", "DDS", "ICNS", "ICO"),
    *("PCX", "PSD", "QOI", "SGI", "SUN", "XBM", "XPM", "TGA"),
]
OPTIONAL = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}  # formats that a build of Pillow may lack
UNREGISTERED_JPEG = {".jif", ".jfi", ".pjpeg", ".pjp"}  # endings of JPEG files that Pillow reads but does not register
FLOAT_FORMATS = {".pfm"}  # Pillow reads them, but their float pixels have no known range
UNREADABLE = FLOAT_FORMATS | {
    *(".heic", ".heif", ".hif", ".jxl", ".jxr", ".svg", ".svgz", ".eps", ".ps", ".ai", ".wmf", ".emf", ".exr", ".hdr"),
    *(".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw", ".raw"),
    *(".dcm", ".xcf", ".avif", ".avifs", ".jp2", ".j2k", ".webp"),
}
NON_IMAGES = {  # endings of other files that are usual in folders of images
    *(".txt", ".xml", ".json", ".jsonl", ".csv", ".tsv", ".md", ".rst", ".html", ".htm", ".yaml", ".yml", ".toml"),
    *(".ini", ".cfg", ".log", ".db", ".lnk", ".url", ".py", ".ipynb", ".sh", ".npy", ".npz", ".pkl", ".mat", ".h5"),
    *(".hdf5", ".parquet", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"),
}
EXAMPLES = 3
USUAL_FORMATS = "jpg, png, webp, tif, bmp, gif, avif, jp2, pgm and what else Pillow reads"


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """Return those of `FORMATS` that the installed Pillow can open, for the argument ``formats`` of ``Image.open``."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@functools.cache
def image_endings() -> frozenset[str]:
    """Return the endings, in lower case and with the dot, of the image files that the installed Pillow can read."""
    Image.init()
    readable = {name for name in FORMATS if name not in OPTIONAL or features.check(OPTIONAL[name])}
    endings = {ending for ending, name in Image.registered_extensions().items() if name in readable}
    return frozenset((endings | UNREGISTERED_JPEG) - FLOAT_FORMATS)


def file_extension(name: str) -> str:
    """Return the ending of the file name ``name``, in lower case and with the dot."""
    return os.path.splitext(name)[1].lower()


def is_image_name(name: str) -> bool:
    """Return whether a file of this name is an image that can be read."""
    return file_extension(name) in image_endings()


@dataclass
class SkippedFiles:
    """Collects the files of a folder that are not read.

    Attributes:
        counts: Number of files with each ending.
        examples: Name of a file with each ending.
        loose: Names of images that are in no class folder.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    loose: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Count the file ``name``, unless its ending is that of notes, tables or archives."""
        ending = file_extension(name)
        if ending not in NON_IMAGES:
            self.counts[ending] += 1
            self.examples[ending] = min(name, self.examples.get(ending, name))

    def include(self, other: "SkippedFiles") -> None:
        """Add the counts and examples of ``other``."""
        self.counts += other.counts
        self.examples = other.examples | self.examples

    def sentences(self, folder: object) -> list[str]:
        """Return warnings about unreadable images in ``folder``, unknown files, and images in no class folder."""
        others = [ending for ending in sorted(self.counts) if ending not in UNREADABLE]
        warnings = [f"{folder}: skipped{self.unreadable()}"] if self._images() else []
        if others:
            warnings.append(
                f"{folder}: skipped {self._count(others)} without an image file extension ({self._shown(others)})"
            )
        if self.loose:
            shown = ", ".join([*self.loose[:EXAMPLES], *(["..."] if len(self.loose) > EXAMPLES else [])])
            warnings.append(f"{folder}: skipped {len(self.loose):,} image(s) that lie in no class folder ({shown})")
        return warnings

    def unreadable(self) -> str:
        """Return a clause about the images that cannot be read, with a leading blank; empty if there are none."""
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
