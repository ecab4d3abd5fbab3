"""Typer without pydantic, without Python's types in the help, and with whole words in it.

Typer (0.29) coerces every value with pydantic, whose import alone takes longer than all that `locks list` does. Our
options are flags and texts, and a text needs no coercion: the commands make of it what they need. Should a later Typer
not heed this, it is slower and no different.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer._click.core import Command
from typer._click.formatting import HelpFormatter
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

_WHOLE = 1000
_NO_BREAK = "\N{NON-BREAKING HYPHEN}"


class AsTyped:
    """What is made of a value: nothing else, but for the text of an environment's variable that sets a flag."""

    def coerce(self, value: Any, param: TyperOption | TyperArgument, ctx: Any) -> Any:  # noqa: ANN401 - as Typer has it
        """The value, as Typer's own coercion would return it. Raises what that raises for a flag that is no flag."""
        if isinstance(param, TyperOption) and param.is_flag and isinstance(value, str):
            param._runtime_param = None  # noqa: SLF001 - see the module
            return param.get_runtime_param().coerce(value, param, ctx)
        return () if value is None and param.nargs == -1 else value


def _relieve(params: list[Any]) -> list[Any]:
    for param in params:
        if isinstance(param, TyperArgument):
            param.display_type_rich = _no_type  # type: ignore[method-assign]
        param._runtime_param = param._runtime_param or AsTyped()  # noqa: SLF001 - see the module
    return params


def _no_type(ctx: Any) -> None:  # noqa: ANN401 - as Typer has it
    """What the help says of an argument's type: `COUNTER <list[str]>` says no more than `COUNTER`."""


class WholeWords(HelpFormatter):
    """Help in which no word is cut: on a narrow terminal the explanations get more room, the options less."""

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write options or commands, each with what it does."""
        longest = max((len(word) for _, does in rows for word in does.split()), default=0)
        room = self.width - longest - 2 * col_spacing
        whole = [(name, _unbroken(does)) for name, does in rows]
        super().write_dl(whole, max(col_spacing, min(col_max, room)), col_spacing)

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        super().write_text(_unbroken(text))

    def getvalue(self) -> str:
        """What was written."""
        return super().getvalue().replace(_NO_BREAK, "-")


def _unbroken(text: str) -> str:
    """The text with hyphens at which no line may end, such as those of `--dry-run`."""
    return text.replace("-", _NO_BREAK)


class _Plain(Command):
    """What commands and groups of commands share."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - a class that Typer keeps to itself
        """The options and arguments, that of help among them."""
        return _relieve(super().get_params(ctx))

    def get_help(self, ctx: Any) -> str:  # noqa: ANN401 - a class that Typer keeps to itself
        """The help, for the width of the terminal."""
        ctx.formatter_class = WholeWords
        return super().get_help(ctx)

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first sentence of the help, whole: it is wrapped where it does not fit."""
        return super().get_short_help_str(max(limit, _WHOLE))


class PlainCommand(_Plain, TyperCommand):
    """A command whose options are flags and texts."""


class PlainGroup(_Plain, TyperGroup):
    """A group of commands whose options are flags and texts."""
