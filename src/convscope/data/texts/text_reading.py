"""Reading lines of text: a byte that does not belong is reported with its file and line."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from convscope.errors import UserError

BYTE_ORDER_MARK = "\ufeff"


def read_lines(file: Path, encoding: str) -> Iterator[str]:
    """The lines of ``file`` without their ends (LF or CR LF); no other character ends a line.

    Raises:
        UserError: The file cannot be read, or a line is not ``encoding``.
    """
    if not known_encoding(encoding):
        raise UserError(f"data.encoding={encoding}: no such encoding; utf-8, cp1252 and latin-1 are usual")
    if codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        yield from _read_wide(file, encoding)
        return
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    text = line.decode(encoding)
                except UnicodeDecodeError as error:
                    wide = number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
                    raise _not_encoded(file, number, encoding, line[error.start], wide) from error
                text = text.removesuffix("\n").removesuffix("\r")
                yield text.removeprefix(BYTE_ORDER_MARK) if number == 1 else text
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error


def read_text(file: Path, encoding: str) -> str:
    """The whole of ``file``, its lines joined by LF.

    Raises:
        UserError: As of ``read_lines``.
    """
    return "\n".join(read_lines(file, encoding))


def known_encoding(name: str) -> bool:
    """Whether Python can decode ``name`` to text."""
    try:
        return codecs.lookup(name)._is_text_encoding
    except LookupError:
        return False


def _read_wide(file: Path, encoding: str) -> Iterator[str]:
    """Where a line's end takes several bytes, the file is decoded as a whole."""
    try:
        text = file.read_bytes().decode(encoding)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].decode(encoding, "replace").count("\n") + 1
        raise UserError(f"{file}, line {line}: is not {encoding} (byte {error.start}); set data.encoding") from error
    yield from (line.removesuffix("\r") for line in text.removeprefix(BYTE_ORDER_MARK).removesuffix("\n").split("\n"))


def _not_encoded(file: Path, number: int, encoding: str, byte: int, wide: bool) -> UserError:
    other = "utf-16" if wide else "utf-8" if codecs.lookup(encoding).name != "utf-8" else "cp1252"
    return UserError(
        f"{file}, line {number}: is not {encoding} (byte 0x{byte:02x}); save it so, or set the encoding that it "
        f"has, as in data.encoding={other}"
    )
