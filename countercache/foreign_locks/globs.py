"""Redis's globs, as SCAN's MATCH reads them, for keys that have been fetched already. Pure."""

from __future__ import annotations

import re


def matcher(glob: bytes) -> re.Pattern[bytes]:
    r"""A pattern whose `fullmatch` says what the server would say of the glob.

    `*` is any text, `?` one byte, `[ab]`, `[^ab]` and `[a-z]` one of some, `\` takes the next byte as it is. The odd
    cases are the server's own too: a class that is not closed ends with the glob.
    """
    parts = []
    at = 0
    while at < len(glob):
        byte = glob[at : at + 1]
        if byte == b"[":
            one_of, at = _class(glob, at + 1)
            parts.append(one_of)
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
    """One of some bytes: the class that begins at `at`, behind its bracket, and where what follows it begins."""
    other = glob[at : at + 1] == b"^"
    at += other
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
        return (b"." if other else b"(?!)"), at + 1
    inside = b"".join(b"\\x%02x" % member for member in sorted(members))
    return b"[%s%s]" % (b"^" if other else b"", inside), at + 1
