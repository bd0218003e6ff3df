"""Reads lines of text; a byte that cannot be decoded is an error that names the file and the line."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from convscope.errors import UserError

BYTE_ORDER_MARK = "\ufeff"


def read_lines(file: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of ``file`` without their ends (LF or CR LF); no other character ends a line.

    Raises:
        UserError: There is no such encoding, the file cannot be read, or a line is not in ``encoding``.
    """
    if not known_encoding(encoding):
        raise UserError(f"data.encoding={encoding}: no such encoding; utf-8, cp1252 and latin-1 are usual")
    if codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        yield from _read_utf16_or_utf32(file, encoding)
        return
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    text = line.decode(encoding)
                except UnicodeDecodeError as error:
                    is_utf16 = number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
                    raise _encoding_error(file, number, encoding, line[error.start], is_utf16) from error
                text = text.removesuffix("\n").removesuffix("\r")
                yield text.removeprefix(BYTE_ORDER_MARK) if number == 1 else text
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error


def read_text(file: Path, encoding: str) -> str:
    """Return the whole text of ``file``, its lines joined by LF.

    Raises:
        UserError: See ``read_lines``.
    """
    return "\n".join(read_lines(file, encoding))


def known_encoding(name: str) -> bool:
    """Return whether Python has a text encoding called ``name``."""
    try:
        return codecs.lookup(name)._is_text_encoding
    except LookupError:
        return False


def _read_utf16_or_utf32(file: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a file whose line ends take several bytes each: it is decoded as a whole."""
    try:
        text = file.read_bytes().decode(encoding)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].decode(encoding, "replace").count("\n") + 1
        raise UserError(f"{file}, line {line}: is not {encoding} (byte {error.start}); set data.encoding") from error
    yield from (line.removesuffix("\r") for line in text.removeprefix(BYTE_ORDER_MARK).removesuffix("\n").split("\n"))


def _encoding_error(file: Path, number: int, encoding: str, byte: int, is_utf16: bool) -> UserError:
    suggestion = "utf-16" if is_utf16 else "utf-8" if codecs.lookup(encoding).name != "utf-8" else "cp1252"
    return UserError(
        f"{file}, line {number}: is not {encoding} (byte 0x{byte:02x}); save it so, or set the encoding that it "
        f"has, as in data.encoding={suggestion}"
    )
