"""A condition in SQL that somebody else wrote: one expression, which cannot reach beyond where it is put. Pure.

It is put into parentheses, on lines of its own. It stays in there if all parentheses in it are paired, as the database
sees them: not those in text, in quoted names and in comments. Whether it is right the database says.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*", re.ASCII)
_DOLLAR = re.compile(r"\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$")
_QUOTES = {"'": "'", '"': '"'}
_SQLITE_QUOTES = _QUOTES | {"`": "`", "[": "]"}
_ESCAPED = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
# PostgreSQL goes on with a text that is followed by another one on a later line.
_CONTINUED = re.compile(r"(?:[ \t\f\v]|--[^\r\n]*)*[\r\n](?:\s|--[^\r\n]*[\r\n])*(?=')")


def flaw(condition: str, kind: str) -> str:
    """Why a condition is not one expression by itself, in words; empty where it is one."""
    if "\0" in condition:
        return "it has a NUL character"
    postgres = kind == "postgresql"
    depth = at = 0
    empty = True
    while at < len(condition):
        start = at
        try:
            at = _skip(condition, at, postgres=postgres)
        except _OpenError as error:
            return f"{error} is never closed"
        if at > start:
            empty = empty and condition.startswith(("--", "/*"), start)
            continue
        match condition[at]:
            case "(":
                depth += 1
            case ")" if not depth:
                return 'it has a ")" too many'
            case ")":
                depth -= 1
            case ";":
                return 'it has a ";": only one expression is taken'
        empty = empty and condition[at].isspace()
        at += 1
    if depth:
        return 'a "(" is never closed'
    return "it is empty" if empty else ""


class _OpenError(Exception):
    """Something that has no end."""


def _skip(text: str, at: int, *, postgres: bool) -> int:
    """Where what begins here ends, if it is a text, a name or a comment; else here."""
    if text.startswith("--", at):
        ends = [text.find(end, at) for end in ("\r\n" if postgres else "\n")]
        return min((end for end in ends if end >= 0), default=len(text))
    if text.startswith("/*", at):
        return _comment(text, at, nested=postgres)
    if postgres and text[at] in "eE" and text.startswith("'", at + 1):
        return _escaped(text, at + 1)
    if name := _NAME.match(text, at):
        return name.end()
    if postgres and (tag := _DOLLAR.match(text, at)):
        return _closed(text, tag.end(), tag[0])
    end = (_QUOTES if postgres else _SQLITE_QUOTES).get(text[at])
    # A quote that is doubled ends one text and begins the next, which comes to the same.
    return at if end is None else _closed(text, at + 1, end)


def _closed(text: str, at: int, end: str) -> int:
    found = text.find(end, at)
    if found < 0:
        raise _OpenError(f"a {end}" if end != "'" else 'a "\'"')
    return found + len(end)


def _escaped(text: str, at: int) -> int:
    """A text of PostgreSQL in which a backslash takes the next character's meaning away, also where it goes on."""
    while True:
        found = _ESCAPED.match(text, at)
        if not found:
            raise _OpenError('a "\'"')
        more = _CONTINUED.match(text, found.end())
        if not more:
            return found.end()
        at = more.end()


def _comment(text: str, at: int, *, nested: bool) -> int:
    depth, at = 1, at + 2
    while depth:
        opens, closes = text.find("/*", at), text.find("*/", at)
        if closes < 0:
            raise _OpenError('a "/*"')
        inner = nested and 0 <= opens < closes
        depth += 1 if inner else -1
        at = (opens if inner else closes) + 2
    return at
