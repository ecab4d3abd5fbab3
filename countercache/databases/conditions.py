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
_BACKSLASHED = {quote: re.compile(rf"{quote}(?:[^{quote}\\]|\\.)*{quote}", re.DOTALL) for quote in "'\"`"}
RUN_COMMENT = "/*!"
_CONDITIONAL = re.compile(r"/\*M?!")
# A text goes on where another one follows it on a later line.
_CONTINUED = re.compile(r"(?:[ \t\f\v]|--[^\r\n]*)*[\r\n](?:\s|--[^\r\n]*[\r\n])*(?=')")


_BEGINNING = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*\*/)*(\w+)", re.DOTALL)
_REFUSED = {
    "\0": "it has a NUL character",
    # By which SQLAlchemy finds what it puts into a query last.
    "__[POSTCOMPILE_": "it has __[POSTCOMPILE_, which is reserved",
}


class Lexer(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine tells texts, names and comments apart.

    `quotes`: what begins and ends a text or a name, in pairs. `line_ends`: what characters end a comment of one line.
    `nested_comments`: a comment may hold others. `dollar_quotes`: a text may stand between two `$tag$`.
    `escaped_texts`: in a text with an E before it a backslash takes the next character's meaning away; `backslashes`:
    in every text, and with `backslashed_names` between backticks. `hash_comments`: a # begins a comment of one line;
    `slash_comments`: // does; `spaced_dashes`: -- does so only before a space. `conditional_comments`: what stands
    between /*! and */ is run.
    """

    quotes: tuple[str, ...] = ("''", '""')
    line_ends: str = "\n"
    nested_comments: bool = False
    dollar_quotes: bool = False
    escaped_texts: bool = False
    backslashes: bool = False
    backslashed_names: bool = False
    hash_comments: bool = False
    slash_comments: bool = False
    spaced_dashes: bool = False
    conditional_comments: bool = False


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
        except _FlawError as error:
            return str(error)
        if at > start:
            empty = empty and condition.startswith(("--", "/*", "#", "//"), start)
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


class _FlawError(Exception):
    """What is wrong with a condition."""


class _OpenError(_FlawError):
    """Something that has no end."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is never closed")


def first_word(statement: str) -> str:
    """The word that a statement begins with, behind comments and parentheses; empty where there is none."""
    beginning = _BEGINNING.match(statement)
    return beginning[1] if beginning else ""


def bare_words(statement: str, lexer: Lexer) -> list[str]:
    """The words of a statement in capitals, but for those in texts, quoted names and comments.

    Of a comment that is run there is its beginning, `RUN_COMMENT`.
    """
    words: list[str] = []
    at = 0
    while at < len(statement):
        found = _NAME.match(statement, at)
        try:
            end = _skip(statement, at, lexer)
        except _OpenError:  # the database will say so
            return words
        except _FlawError:
            words.append(RUN_COMMENT)
            end = at
        if found and end == found.end():
            words.append(found[0].upper())
        at = max(end, at + 1)
    return words


def _begins_line_comment(text: str, at: int, lexer: Lexer) -> bool:
    if text.startswith("#", at):
        return lexer.hash_comments
    if text.startswith("//", at):
        return lexer.slash_comments
    if not text.startswith("--", at):
        return False
    return not lexer.spaced_dashes or at + 2 == len(text) or ord(text[at + 2]) <= ord(" ")


def _skip(text: str, at: int, lexer: Lexer) -> int:
    """The end of the text, name or comment that begins at `at`; `at` itself where none begins."""
    if _begins_line_comment(text, at, lexer):
        ends = [text.find(end, at) for end in lexer.line_ends]
        return min((end for end in ends if end >= 0), default=len(text))
    if text.startswith("/*", at):
        return _comment(text, at, lexer)
    if backslashed := _with_backslashes(text, at, lexer):
        return backslashed
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


def _with_backslashes(text: str, at: int, lexer: Lexer) -> int:
    """Where a text ends in which a backslash has a meaning, if it is one; else 0."""
    if lexer.escaped_texts and text[at] in "eE" and text.startswith("'", at + 1):
        return _escaped(text, at + 1)
    escapes = lexer.backslashed_names if text[at] == "`" else lexer.backslashes
    if not escapes or text[at] not in _BACKSLASHED:
        return 0
    found = _BACKSLASHED[text[at]].match(text, at)
    if not found:
        raise _OpenError('a "\'"' if text[at] == "'" else f"a {text[at]}")
    return found.end()


def _comment(text: str, at: int, lexer: Lexer) -> int:
    if lexer.conditional_comments and _CONDITIONAL.match(text, at):
        raise _FlawError("it has a comment that is run, /*! … */")
    depth, at = 1, at + 2
    while depth:
        opens, closes = text.find("/*", at), text.find("*/", at)
        if closes < 0:
            raise _OpenError('a "/*"')
        inner = lexer.nested_comments and 0 <= opens < closes
        depth += 1 if inner else -1
        at = (opens if inner else closes) + 2
    return at
