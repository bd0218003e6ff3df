"""Passwords and keys that a user gives are for the libraries that need them, and stand in no file and no message.

What is secret is known by where it stands: user and password of an address (``http://user:password@host``), a parameter
of an address (``?token=...``), or a key whose name says so (``api_key=...``). A command masks its words before anything
reads them, and keeps the secrets in its environment (`hide`), which the processes of a sweep inherit; a checked
configuration has them again (`reveal`); whatever is written or printed is masked (`mask`).
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
VARIABLE = "CONVSCOPE_MASKED"  # of the environment: a JSON object, from each placeholder to its secret
LEAST = 5  # characters of a secret that is masked wherever it stands: a shorter one may be part of a word

_NAMES = (
    r"(?:password|passwd|passphrase|pwd|secret|token|credentials?|signature|sig"
    r"|(?:api|access|secret|private|account|auth)[_-]?key)"
)
_SECRET_KEY = re.compile(rf"(?:.*[^a-z0-9])?{_NAMES}", re.IGNORECASE)
# The password may hold an @, and, against the standard, a / where no port can be meant: it ends at the last @, since
# it is better to mask too much than too little.
_IN_ADDRESS = re.compile(
    r"(?P<before>\b[a-z][a-z0-9+.-]*://)"
    r"(?P<secret>[^\s/:@'\"<>,\[\]]*:(?!\d+(?:[/?#]|$))[^\s'\"<>,]+|[^\s/?#'\"<>\[\]]+)(?=@)",
    re.IGNORECASE,
)
_HARMLESS = re.compile(r"(?:ssh|git|sftp)(?:\+\w+)?://", re.IGNORECASE)  # there a user without a password is no secret
_ASSIGNED = re.compile(
    rf"(?P<before>(?:^|[?&;#\s'\"{{,(+~.]|[a-z0-9]+[_.-])(?:[\w-]*[_.-])?{_NAMES}=)"
    r"(?P<quote>['\"]?)(?P<secret>[^\s&;#'\",)}\]]+)",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"\*\*\*\d*")
_found: set[str] = set()  # secrets that this process has met


def mask_text(text: str) -> str:
    """A message without its secrets; known ones go wherever they stand, since libraries take addresses apart."""
    text = _masked(text, _placeholder_of)
    for secret in sorted({*_found, *_parts()}, key=len, reverse=True):
        if len(secret) >= LEAST:
            text = text.replace(secret, MASK)
    return text


def _placeholder_of(secret: str) -> str:
    return _placeholders().get(secret, MASK)


def mask(value: Any, key: str = "") -> Any:
    """``value`` without secrets, containers rebuilt as dicts and lists; ``key`` is the name it stands under.

    Only what stands at the place of a secret is masked: a password that is also the name of a model changes no model.
    """
    if isinstance(value, Mapping):
        return {name: mask(item, str(name)) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask(item, key) for item in value]
    if not isinstance(value, str):
        return value
    if value and _SECRET_KEY.fullmatch(key) and not _PLACEHOLDER.fullmatch(value):
        _found.add(value)
        return _placeholder_of(value)
    return _masked(value, _placeholder_of)


def is_masked(text: str) -> bool:
    """Whether a secret was taken out of ``text``."""
    return _PLACEHOLDER.search(text) is not None


def without_numbers(text: str) -> str:
    """``text`` with the same placeholder everywhere: which number a secret has depends on what was given before it."""
    return _PLACEHOLDER.sub(MASK, text)


def without_credentials(address: str) -> str:
    """A masked address without the placeholder for its user and password: which server it is."""
    return re.sub(rf"(?<=://){_PLACEHOLDER.pattern}@", "", address)


def hide(override: str) -> str:
    """An argument of the command line with placeholders for its secrets, which the environment keeps for `reveal`."""
    key, equals, value = override.partition("=")
    quote = value[:1] if value[:1] in ("'", '"') and value[:1] == value[-1:] else ""
    bare = value.removeprefix(quote).removesuffix(quote)
    if equals and bare and _SECRET_KEY.fullmatch(key) and not bare.startswith("${") and not _is_placeholder(bare):
        return f"{key}={quote}{_keep(bare)}{quote}"
    return _masked(override, _keep)


def reveal(value: Any) -> Any:
    """``value`` with the secrets that `hide` has taken out of it."""
    if isinstance(value, Mapping):
        return {name: reveal(item) for name, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    if isinstance(value, str) and MASK in value:
        secrets = _kept()
        return _PLACEHOLDER.sub(lambda match: secrets.get(match[0], match[0]), value)
    return value


def masking_excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For ``sys.excepthook``: print the traceback without secrets."""
    print(mask_text("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def _masked(text: str, placeholder: Any) -> str:
    def in_address(match: re.Match[str]) -> str:
        before, secret = match["before"], match["secret"]
        if _is_placeholder(secret) or (":" not in secret and _HARMLESS.fullmatch(before)):
            return match[0]
        _found.update((secret, secret.partition(":")[2], unquote(secret.partition(":")[2])))
        return f"{before}{placeholder(secret)}"

    def assigned(match: re.Match[str]) -> str:
        secret = match["secret"]
        if _is_placeholder(secret) or secret.startswith("${"):
            return match[0]
        _found.add(secret)
        return f"{match['before']}{match['quote']}{placeholder(secret)}"

    return _ASSIGNED.sub(assigned, _IN_ADDRESS.sub(in_address, text))


def _is_placeholder(text: str) -> bool:
    return _PLACEHOLDER.fullmatch(text) is not None


def _kept() -> dict[str, str]:
    try:
        kept: dict[str, str] = json.loads(os.environ.get(VARIABLE, "{}"))
    except ValueError:
        return {}
    return kept


def _placeholders() -> dict[str, str]:
    return {secret: placeholder for placeholder, secret in _kept().items()}


def _parts() -> set[str]:
    """The kept secrets, and of ``user:password`` the password alone, as it is and decoded."""
    secrets = set(_kept().values())
    passwords = {secret.partition(":")[2] for secret in secrets}
    return secrets | passwords | {unquote(password) for password in passwords}


def _keep(secret: str) -> str:
    kept = _kept()
    known = next((placeholder for placeholder, value in kept.items() if value == secret), None)
    if known is None:
        known = f"{MASK}{len(kept) + 1 if kept else ''}"
        os.environ[VARIABLE] = json.dumps({**kept, known: secret})
    return known
