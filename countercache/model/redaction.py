"""Text without its secrets, for everything that a person or a log may see. Pure; imports nothing of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

MASK = "***"

# All of these take a time that grows with the text and no faster, for the text may be anybody's, of any length.
_SECRET_WORD = re.compile(r"(?i)passw(?:or)?d|passphrase|pwd|secret|token|credential|api_?key")
# `password=x` in a query string, in a libpq connection string, and percent-encoded in SQLAlchemy's `odbc_connect`.
_NAME = re.compile(r"(?<![\w.-])([\w.-]++)(?:\s*+=\s*+|%3[Dd])")
# (No possessive quantifier of a group: before Python 3.11.5 such a one matched too much.)
_SECRET = re.compile(r"(?i)'[^'\\]*+(?:\\.[^'\\]*+)*'|\"[^\"]*+\"|\{[^}]*+\}|(?:(?!%3B)[^&;\s'\"])*")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)([^\s'\"<>`]*)")
_QUERY = re.compile(r"[\w.%-]+=[^@]*")


def redact_url(url: str) -> str:
    """The URL with `***` in place of its password, and of every secret among its query's parameters.

    A password may hold any character, also `@`, `/`, `?` and `#` that should have been percent-encoded: what cannot be
    told from a password is hidden with it.
    """
    scheme, separator, rest = url.partition("://")
    return _pairs(scheme + separator + _authority(rest) if separator else url)


def redact(text: str) -> str:
    """Any text (a driver's message, a command line) with the secrets of all URLs and `password=…` pairs masked."""
    return _pairs(_URL.sub(lambda match: match[1] + _authority(match[2]), text))


def shown(value: object, length: int = 60) -> str:
    """What came, for an error: on one line, without secrets, shortened to about `length` characters."""
    if isinstance(value, Mapping):
        return "a table"
    text = quoted(_masked(value))
    return text if len(text) <= length else text[:length] + "…"


def quoted(value: object) -> str:
    """A value as TOML writes it, nearly; what a terminal would obey or hide is escaped."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return "".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in text)


def _masked(value: object) -> object:
    if isinstance(value, list):
        return ["…" if isinstance(item, Mapping) else _masked(item) for item in value]
    return redact_url(value) if isinstance(value, str) else value


def _authority(rest: str) -> str:
    """What follows `scheme://`, without the password."""
    end = _end_of_authority(rest)
    user, at, host = rest[:end].rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{name}:{MASK}@{host}{rest[end:]}" if at and colon else rest


def _end_of_authority(rest: str) -> int:
    """Where the last `@` of a password can be at most: the start of the query, if there is a proper one."""
    before, mark, query = rest.partition("?")
    proper = mark and "@" in before and all(_QUERY.match(pair) for pair in query.split("&"))
    return len(before) if proper else len(rest)


def _pairs(text: str) -> str:
    """The text with `***` for the value of each name that tells of a secret."""
    parts = []
    at = 0
    for name in _NAME.finditer(text):
        if name.start() >= at and _SECRET_WORD.search(name[1]):
            value = _SECRET.match(text, name.end())
            parts += [text[at : name.end()], MASK]
            at = value.end() if value else name.end()
    return "".join([*parts, text[at:]])
