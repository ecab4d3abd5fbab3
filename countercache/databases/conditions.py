"""A condition in SQL that somebody else wrote: one expression, which cannot reach beyond where it is put. Pure.

It is put into parentheses, on lines of its own. It stays in there if all parentheses in it are paired, as the database
sees them: not those in text, in quoted names and in comments. Whether it is right the database says.
"""

from __future__ import annotations

import re

import msgspec

_NAME = re.compile(r"[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*", re.ASCII)
_DOLLAR = re.compile(r"\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$")
_ESCAPED = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
# A text goes on where another one follows it on a later line.
_CONTINUED = re.compile(r"(?:[ \t\f\v]|--[^\r\n]*)*[\r\n](?:\s|--[^\r\n]*[\r\n])*(?=')")


_REFUSED = {
    "\0": "it has a NUL character",
    # By which SQLAlchemy finds what it puts into a query last.
    "__[POSTCOMPILE_": "it has __[POSTCOMPILE_, which is reserved",
}


class Lexer(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine tells texts, names and comments apart.

    `quotes`: what begins and ends a text or a name, in pairs. `line_ends`: what characters end a comment of one line.
    `nested_comments`: a comment may hold others. `dollar_quotes`: a text may stand between two `$tag$`.
    `escaped_texts`: in a text with an E before it a backslash takes the next character's meaning away.
    """

    quotes: tuple[str, ...] = ("''", '""')
    line_ends: str = "\n"
    nested_comments: bool = False
    dollar_quotes: bool = False
    escaped_texts: bool = False


def flaw(condition: str, lexer: Lexer) -> str:
    """Why a condition is not one expression by itself, in words; empty where it is one."""
    if problem := next((problem for text, problem in _REFUSED.items() if text in condition), ""):
        return problem
    depth = at = 0
    empty = True
    while at < len(condition):
        start = at
        try:
            at = _skip(condition, at, lexer)
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


def _skip(text: str, at: int, lexer: Lexer) -> int:
    """The end of the text, name or comment that begins at `at`; `at` itself where none begins."""
    if text.startswith("--", at):
        ends = [text.find(end, at) for end in lexer.line_ends]
        return min((end for end in ends if end >= 0), default=len(text))
    if text.startswith("/*", at):
        return _comment(text, at, nested=lexer.nested_comments)
    if lexer.escaped_texts and text[at] in "eE" and text.startswith("'", at + 1):
        return _escaped(text, at + 1)
    if name := _NAME.match(text, at):
        return name.end()
    if lexer.dollar_quotes and (tag := _DOLLAR.match(text, at)):
        return _closed(text, tag.end(), tag[0])
    end = next((pair[1] for pair in lexer.quotes if pair[0] == text[at]), None)
    # A quote that is doubled ends one text and begins the next, which comes to the same.
    return at if end is None else _closed(text, at + 1, end)


def _closed(text: str, at: int, end: str) -> int:
    closing = text.find(end, at)
    if closing < 0:
        raise _OpenError(f"a {end}" if end != "'" else 'a "\'"')
    return closing + len(end)


def _escaped(text: str, at: int) -> int:
    """A text in which a backslash takes the next character's meaning away, also where it goes on."""
    while True:
        literal = _ESCAPED.match(text, at)
        if not literal:
            raise _OpenError('a "\'"')
        more = _CONTINUED.match(text, literal.end())
        if not more:
            return literal.end()
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
