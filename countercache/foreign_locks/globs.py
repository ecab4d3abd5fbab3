"""Globs as Redis matches them in SCAN, for keys that have been fetched already. Pure."""

from __future__ import annotations

import re


def matcher(glob: bytes) -> re.Pattern[bytes]:
    r"""A pattern whose `fullmatch` matches the same keys as the server does with the glob.

    `*` is any text, `?` one byte, `[ab]`, `[^ab]` and `[a-z]` are classes of bytes, and `\` escapes the next byte. As
    on the server, a class that is not closed ends with the glob.
    """
    parts = []
    at = 0
    while at < len(glob):
        byte = glob[at : at + 1]
        if byte == b"[":
            part, at = _class(glob, at + 1)
            parts.append(part)
            continue
        if byte == b"\\" and at + 1 < len(glob):
            at += 1
            parts.append(re.escape(glob[at : at + 1]))
        else:
            parts.append(_WILD.get(byte) or re.escape(byte))
        at += 1
    return re.compile(b"".join(parts), re.DOTALL)


_WILD = {b"*": b".*", b"?": b"."}


def _class(glob: bytes, at: int) -> tuple[bytes, int]:
    """The pattern for the class that begins at `at`, after its bracket, and the position after it."""
    negated = glob[at : at + 1] == b"^"
    at += negated
    members: set[int] = set()
    while at < len(glob) and glob[at] != ord("]"):
        if glob[at] == ord("\\") and at + 1 < len(glob):
            at += 1
            members.add(glob[at])
        elif glob[at + 1 : at + 2] == b"-" and at + 2 < len(glob):
            first, last = sorted((glob[at], glob[at + 2]))
            members.update(range(first, last + 1))
            at += 2
        else:
            members.add(glob[at])
        at += 1
    if not members:
        return (b"." if negated else b"(?!)"), at + 1
    inside = b"".join(b"\\x%02x" % member for member in sorted(members))
    return b"[%s%s]" % (b"^" if negated else b"", inside), at + 1
