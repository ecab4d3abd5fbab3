"""What all commands share: their options, and the decorator that makes a function a command.

A command is a function of a `Session`, which has the shared options, and of its own options; it returns a result.
`command` makes it a Typer command, which has the shared options, shows the result and returns its exit code.
"""

import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from countercache import render
from countercache.command_line.plain_typer import PlainCommand, PlainGroup
from countercache.command_line.session import Session
from countercache.errors import EXIT_USAGE, CountercacheError
from countercache.model.program import PROGRAM

Returned = TypeVar("Returned", bound=render.Result)


def complete_counter(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The configured counters that begin with `incomplete`, each with its name; none where the file cannot be read."""
    from countercache.config import document  # noqa: PLC0415

    config = ctx.params.get("config") or ctx.find_root().params.get("config")
    try:
        path = document.find(Path(config) if config else None, os.environ, Path.cwd())
        counters = document.read(path).data.get("counters") if path else None
    except CountercacheError:
        return []
    tables = counters.items() if isinstance(counters, dict) else ()
    named = [(name, str(table.get("name", ""))) for name, table in tables if isinstance(table, dict)]
    return [(name, title) for name, title in named if name.startswith(incomplete)]


Option = functools.partial(typer.Option, show_envvar=True)
Counters = Annotated[
    list[str] | None,
    typer.Argument(metavar="COUNTER", help="Only these counters. Default: all.", autocompletion=complete_counter),
]
Counter = Annotated[
    str, typer.Argument(metavar="COUNTER", help="The counter.", autocompletion=complete_counter, show_default=False)
]
ConfigPath = Annotated[
    str | None,
    Option(
        "--config",
        "-c",
        metavar="PATH",
        help="The configuration. Default: ./countercache.toml, then in the user's and the system's config directory.",
        envvar="COUNTERCACHE_CONFIG",
    ),
]
Json = Annotated[bool, Option("--json", help="Print one JSON document.", envvar="COUNTERCACHE_JSON")]
Debug = Annotated[bool, Option("--debug", help="Show where an error came from.", envvar="COUNTERCACHE_DEBUG")]


def bare(ctx: typer.Context) -> None:
    """Without a command, show the help; the exit code is that of a wrong usage all the same."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(EXIT_USAGE)


group = functools.partial(typer.Typer, cls=PlainGroup, invoke_without_command=True, callback=bare)
app = typer.Typer(
    name=PROGRAM,
    cls=PlainGroup,
    help="Totals for web sites: computed from the stack's own database under a guard, kept in Redis, never stuck.",
    epilog="Example: countercache warmup --timeout 5m",
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command(
    parent: typer.Typer, name: str, example: str = ""
) -> Callable[[Callable[..., Returned]], Callable[..., Returned]]:
    """Make the command `name` ("locks list") of a function from a `Session` and options to a result."""

    def decorate(function: Callable[..., Returned]) -> Callable[..., Returned]:
        def run(ctx: typer.Context, config: str | None, json: bool, debug: bool, **options: object) -> int:
            session: Session = ctx.obj
            if config and (session.config is None or _typed(ctx, "config")):
                session.config = Path(config)
            session.json |= json
            session.debug |= debug
            result = function(session, **options)
            with render.writing():
                return render.show(
                    result,
                    session.commands,
                    as_json=session.json,
                    quiet=bool(options.get("quiet")),
                    log=session.log,
                )

        run.__doc__ = function.__doc__
        run.__annotations__ = {}  # the signature says it all
        run.__signature__ = _with_shared(inspect.signature(function))  # type: ignore[attr-defined]
        parent.command(
            name.rpartition(" ")[2],
            cls=PlainCommand,
            epilog=f"Example: {PROGRAM} {example or name}",
            context_settings={"auto_envvar_prefix": f"{PROGRAM} {name}".upper().replace(" ", "_")},
        )(run)
        return function

    return decorate


def _with_shared(own: inspect.Signature) -> inspect.Signature:
    """The signature of a command: its own options in place of the session's, and those that all share."""
    keyword = functools.partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY)
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    shared = [
        keyword("json", annotation=Json, default=False),
        keyword("config", annotation=ConfigPath, default=None),
        keyword("debug", annotation=Debug, default=False),
    ]
    return inspect.Signature([context, *list(own.parameters.values())[1:], *shared])


def _typed(ctx: typer.Context, option: str) -> bool:
    """Whether the option was given on the command line, not by the environment."""
    source = ctx.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"
