"""Reads IDX, the file format of MNIST (yann.lecun.com/exdb/mnist): a magic number, the sizes, then the bytes."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from convscope.errors import UserError

UNSIGNED_BYTE = 0x08
MAX_BYTES = 2**40
GZIP_MAGIC = b"\x1f\x8b"


def read_idx(file: Path, dimensions: int, *, header_only: bool = False) -> np.ndarray:
    """Read an IDX file of unsigned bytes, gzipped or not, and return its array, uint8.

    Args:
        file: The file.
        dimensions: Number of axes that the array must have.
        header_only: Read only the shape; every element of the returned array is then 0.

    Raises:
        UserError: The file is something else, truncated or damaged; the message names the file and the fault.
    """
    try:
        with open(file, "rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
        with gzip.open(file) if zipped else open(file, "rb") as stream:
            magic = stream.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0":
                raise UserError(f"{file} is not an IDX file: it starts with {magic.hex(' ') or 'nothing'}")
            if magic[2] != UNSIGNED_BYTE or magic[3] != dimensions:
                expected = bytes([0, 0, UNSIGNED_BYTE, dimensions]).hex(" ")
                raise UserError(
                    f"{file} starts with {magic.hex(' ')}, and {expected} was expected: is it another file?"
                )
            sizes = stream.read(4 * dimensions)
            if len(sizes) < 4 * dimensions:
                raise UserError(f"{file} is truncated in its header: fetch it again")
            shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
            if header_only:
                return np.broadcast_to(np.uint8(0), shape)
            count = math.prod(shape)
            if count > MAX_BYTES:
                raise UserError(f"{file} claims {count} bytes of data, which cannot be: fetch it again")
            data = stream.read(count + 1)
    except FileNotFoundError as error:
        raise UserError(f"{file} does not exist") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{file} is truncated or damaged ({error}): fetch it again") from error
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    if len(data) < count:
        raise UserError(f"{file} is truncated: {len(data)} of {count} bytes are there. Fetch it again")
    if len(data) > count:
        raise UserError(f"{file} has more than the {count} bytes that its header declares: fetch it again")
    return np.frombuffer(data, np.uint8).reshape(shape)
