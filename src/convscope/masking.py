"""Keeps the user's passwords and keys out of all files and messages, and passes them to the libraries that need them.

A secret is recognised by its place: user and password of an address (``http://user:password@host``), a parameter of an
address (``?token=...``), or the value of a key with such a name (``api_key=...``). A command masks its arguments before
anything reads them, and keeps the secrets in its environment (`hide`), which the processes of a sweep inherit; a
validated configuration holds them again (`reveal`); whatever is written or printed is masked (`mask`).
"""

import json
import os
import re
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import unquote

MASK = "***"
VARIABLE = "CONVSCOPE_MASKED"  # environment variable: a JSON object that maps each placeholder to its secret
MIN_SECRET_LENGTH = 5  # characters; a shorter secret is not masked everywhere, since it may be part of a word

_NAMES = (
    r"(?:password|passwd|passphrase|pwd|secret|token|credentials?|signature|sig"
    r"|(?:api|access|secret|private|account|auth)[_-]?key)"
)
_SECRET_KEY = re.compile(rf"(?:.*[^a-z0-9])?{_NAMES}", re.IGNORECASE)
# The password may contain an @, and, against the standard, a / unless what precedes it can be a port: it ends at the
# last @, since it is better to mask too much than too little.
_IN_ADDRESS = re.compile(
    r"(?P<before>\b[a-z][a-z0-9+.-]*://)"
    r"(?P<secret>[^\s/:@'\"<>,\[\]]*:(?!\d+(?:[/?#]|$))[^\s'\"<>,]+|[^\s/?#'\"<>\[\]]+)(?=@)",
    re.IGNORECASE,
)
_HARMLESS = re.compile(r"(?:ssh|git|sftp)(?:\+\w+)?://", re.IGNORECASE)  # a user without a password is no secret
_ASSIGNED = re.compile(
    rf"(?P<before>(?:^|[?&;#\s'\"{{,(+~.]|[a-z0-9]+[_.-])(?:[\w-]*[_.-])?{_NAMES}=)"
    r"(?P<quote>['\"]?)(?P<secret>[^\s&;#'\",)}\]]+)",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"\*\*\*\d*")
_known_secrets: set[str] = set()  # that this process has masked


def mask_text(text: str) -> str:
    """Return a message without secrets; known secrets are masked everywhere, since libraries split addresses up."""
    text = _masked(text, _placeholder_of)
    for secret in sorted({*_known_secrets, *_secrets_and_passwords()}, key=len, reverse=True):
        if len(secret) >= MIN_SECRET_LENGTH:
            text = text.replace(secret, MASK)
    return text


def _placeholder_of(secret: str) -> str:
    return _placeholders().get(secret, MASK)


def mask(value: Any, key: str = "") -> Any:
    """Return ``value`` without secrets, its containers rebuilt as dicts and lists; ``key`` is the key of ``value``.

    A secret is masked at its own place only: a password that is also the name of a model changes no model.
    """
    if isinstance(value, Mapping):
        return {name: mask(item, str(name)) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask(item, key) for item in value]
    if not isinstance(value, str):
        return value
    if value and _SECRET_KEY.fullmatch(key) and not _PLACEHOLDER.fullmatch(value):
        _known_secrets.add(value)
        return _placeholder_of(value)
    return _masked(value, _placeholder_of)


def is_masked(text: str) -> bool:
    """Return whether ``text`` has a placeholder for a secret."""
    return _PLACEHOLDER.search(text) is not None


def without_numbers(text: str) -> str:
    """Return ``text`` with unnumbered placeholders: the number of a secret depends on the secrets given before it."""
    return _PLACEHOLDER.sub(MASK, text)


def without_credentials(address: str) -> str:
    """Return a masked address without the placeholder for its user and password, so that it names the server only."""
    return re.sub(rf"(?<=://){_PLACEHOLDER.pattern}@", "", address)


def hide(override: str) -> str:
    """Replace the secrets of a command-line argument by placeholders, and keep them in the environment for `reveal`."""
    key, equals, value = override.partition("=")
    quote = value[:1] if value[:1] in ("'", '"') and value[:1] == value[-1:] else ""
    bare = value.removeprefix(quote).removesuffix(quote)
    if equals and bare and _SECRET_KEY.fullmatch(key) and not bare.startswith("${") and not _is_placeholder(bare):
        return f"{key}={quote}{_store(bare)}{quote}"
    return _masked(override, _store)


def reveal(value: Any) -> Any:
    """Return ``value`` with the secrets that `hide` has replaced by placeholders."""
    if isinstance(value, Mapping):
        return {name: reveal(item) for name, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    if isinstance(value, str) and MASK in value:
        secrets = _stored_secrets()
        return _PLACEHOLDER.sub(lambda match: secrets.get(match[0], match[0]), value)
    return value


def masking_excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback without secrets; to be set as ``sys.excepthook``."""
    print(mask_text("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def _masked(text: str, placeholder: Any) -> str:
    def in_address(match: re.Match[str]) -> str:
        before, secret = match["before"], match["secret"]
        if _is_placeholder(secret) or (":" not in secret and _HARMLESS.fullmatch(before)):
            return match[0]
        _known_secrets.update((secret, secret.partition(":")[2], unquote(secret.partition(":")[2])))
        return f"{before}{placeholder(secret)}"

    def assigned(match: re.Match[str]) -> str:
        secret = match["secret"]
        if _is_placeholder(secret) or secret.startswith("${"):
            return match[0]
        _known_secrets.add(secret)
        return f"{match['before']}{match['quote']}{placeholder(secret)}"

    return _ASSIGNED.sub(assigned, _IN_ADDRESS.sub(in_address, text))


def _is_placeholder(text: str) -> bool:
    return _PLACEHOLDER.fullmatch(text) is not None


def _stored_secrets() -> dict[str, str]:
    try:
        kept: dict[str, str] = json.loads(os.environ.get(VARIABLE, "{}"))
    except ValueError:
        return {}
    return kept


def _placeholders() -> dict[str, str]:
    return {secret: placeholder for placeholder, secret in _stored_secrets().items()}


def _secrets_and_passwords() -> set[str]:
    """Return the stored secrets, and the password of each ``user:password``, both percent-encoded and decoded."""
    secrets = set(_stored_secrets().values())
    passwords = {secret.partition(":")[2] for secret in secrets}
    return secrets | passwords | {unquote(password) for password in passwords}


def _store(secret: str) -> str:
    kept = _stored_secrets()
    known = next((placeholder for placeholder, value in kept.items() if value == secret), None)
    if known is None:
        known = f"{MASK}{len(kept) + 1 if kept else ''}"
        os.environ[VARIABLE] = json.dumps({**kept, known: secret})
    return known
