"""Typer without pydantic, and without Python's types in the help.

Typer (0.29) coerces every value with pydantic, whose import alone takes longer than all that `locks list` does. Our
options are flags and texts, and a text needs no coercion: the commands make of it what they need. Should a later Typer
not heed this, it is slower and no different.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption


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


class PlainCommand(TyperCommand):
    """A command whose options are flags and texts."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - a class that Typer keeps to itself
        """The options and arguments, that of help among them."""
        return _relieve(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """A group of commands whose options are flags and texts."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - a class that Typer keeps to itself
        """The options and arguments, that of help among them."""
        return _relieve(super().get_params(ctx))
