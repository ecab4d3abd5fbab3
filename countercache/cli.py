"""The command line: options in, result out.

A command is a function from a `Session` and its own options to a result (see `options`). Whatever is raised becomes one
line and an exit code in `main`, and only there. What a command needs is imported where it is used, so that `--version`
and `--help` cost no more than Typer does; names of types that only the type checker needs stand in quotes, since Typer
evaluates annotations.
"""

import os
import sys
from collections.abc import Sequence
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from countercache import render
from countercache.command_line.options import ConfigPath, Counters, Debug, Json, Option, app, bare, command, group
from countercache.command_line.session import Session, entities, one_of, seconds
from countercache.errors import EXIT_INTERRUPTED, CountercacheError, OutputClosed, OutputError, UsageError
from countercache.model import suggested_commands
from countercache.model.program import PROGRAM

if TYPE_CHECKING:
    from countercache.model.results import (
        CheckResult,
        ClearResult,
        ConfigResult,
        DemoRun,
        DoctorResult,
        EmbeddedStatus,
        EmbeddedStopped,
        LocksResult,
        PlanResult,
        StatusResult,
        WarmupResult,
    )

__all__ = ["app", "main"]

locks_app = group(help="See who holds a lock; clear one that is stuck.")
config_app = group(help="Check and show the configuration.")
embedded_app = group(help="See and stop the bundled Valkey.")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        print(PROGRAM, version(PROGRAM))  # noqa: T201 - the result of the command
        raise typer.Exit


@app.callback()
def shared(
    ctx: typer.Context,
    config: ConfigPath = None,
    json: Json = False,
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Take the options that stand before the command."""
    del version
    session: Session = ctx.obj
    session.config = Path(config) if config else None
    session.json |= json
    session.debug |= debug
    bare(ctx)


@command(app, "warmup", "warmup total-debt --timeout 5m")
def warmup(  # noqa: PLR0913 - its options
    session: Session,
    counters: Counters = None,
    timeout: Annotated[
        str | None, Option("--timeout", metavar="DURATION", help="Limit of each job. Default: [agent] timeout.")
    ] = None,
    batch_size: Annotated[
        str | None, Option("--batch-size", metavar="N|auto", help="Entities a batch. Default: [agent] batch_size.")
    ] = None,
    due: Annotated[bool, Option("--due", help="Only cells that are stale, failed or not calculated yet.")] = False,
    wait: Annotated[
        str | None,
        Option("--wait", metavar="DURATION", help="Wait up to DURATION for a held lock. Default: not at all."),
    ] = None,
    force: Annotated[bool, Option("--force", help="Also try what the circuit breaker puts off.")] = False,
    accept: Annotated[bool, Option("--accept", help="Store values that max_change would hold back.")] = False,
    ok_if_locked: Annotated[
        bool, Option("--ok-if-locked", help="Exit with 0 when another run holds the lock.")
    ] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Show the cells and the SQL; compute nothing.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print nothing on success, for cron.")] = False,
    no_progress: Annotated[bool, Option("--no-progress", help="Draw no progress bars.")] = False,
    log_format: Annotated[
        str | None,
        Option("--log-format", metavar="text|json", help="Write what happens to stderr as a log. Default: bars."),
    ] = None,
) -> "WarmupResult | PlanResult":
    """Compute the counters and store them in Redis.

    There is one job a database, all at the same time, each under a lock with a lease and until a deadline. A counter
    that fails keeps its last value and takes no other with it; what is complete when the time is over is stored.
    """
    from countercache import agent  # noqa: PLC0415

    session.log = one_of("--log-format", log_format, render.LOG_FORMATS)
    request = agent.Request(
        counters=tuple(counters or ()),
        timeout=seconds("--timeout", timeout),
        batch_size=entities("--batch-size", batch_size),
        due=due,
        force=force,
        wait=seconds("--wait", wait) or 0.0,
        accept=accept,
        ok_if_locked=ok_if_locked,
        command=session.typed,
        commands=session.commands,
    )
    settings = session.settings(request.counters)
    if dry_run:
        from countercache.operate import worker_queries  # noqa: PLC0415

        return worker_queries.dry_run(settings, request)
    with render.observer(shown=not no_progress, quiet=quiet, log=session.log) as observer:
        return agent.warmup(settings, request, observer)


@command(app, "status", "status total-debt --watch")
def status(
    session: Session,
    counters: Counters = None,
    watch: Annotated[
        bool, Option("--watch", "-w", help="Show them live, with runs and the last events, until q or Ctrl-C.")
    ] = False,
    interval: Annotated[
        str | None,
        Option("--interval", metavar="DURATION", help="With --watch: between two readings. Default: 2s."),
    ] = None,
) -> "StatusResult":
    """Show values and states, and the runs in flight.

    A cell is calculating while a live run covers it, error when its last attempt failed or never ended, stale when it
    is older than the counter's fresh_for or the configuration has changed since, ready, or pending when it was never
    tried. Nothing is changed.
    """
    if watch:
        from countercache.command_line import status_watch  # noqa: PLC0415

        raise typer.Exit(status_watch.show(session, tuple(counters or ()), seconds("--interval", interval)))
    from countercache.store import cell_store  # noqa: PLC0415

    settings = session.settings(counters or ())
    return cell_store.status(session.store(settings), settings, tuple(counters or ()))


@command(app, "demo", "demo councils")
def demo(
    session: Session,
    directory: Annotated[
        str, typer.Argument(metavar="DIRECTORY", help="Where to put it; made if it is not there.")
    ] = "countercache-demo",
) -> "DemoRun":
    """See it work: what UK councils owe, computed here.

    Puts real figures into an SQLite database in DIRECTORY, beside a configuration to copy from, computes its counters
    and shows them. Redis is the server that REDIS_URL names; where that is not set, the bundled Valkey, which runs on.
    """
    from countercache import agent  # noqa: PLC0415
    from countercache.demo import site  # noqa: PLC0415
    from countercache.model.redaction import redact_url  # noqa: PLC0415
    from countercache.model.results import DemoRun  # noqa: PLC0415
    from countercache.operate import worker_queries  # noqa: PLC0415
    from countercache.store import cell_store  # noqa: PLC0415

    session.config = site.configuration(Path(directory))
    worker_queries.reach_redis(session.settings())  # before anything is written
    made = site.create(Path(directory))
    session.config = Path(made.config)
    settings = session.settings()
    with render.observer() as observer:
        warmed = agent.warmup(settings, agent.Request(command=session.typed, commands=session.commands), observer)
    shown = cell_store.status(session.store(settings), settings)
    program = suggested_commands.program(os.environ.get("PATH", os.defpath))
    return DemoRun(made, warmed, shown, program, redact_url(settings.redis.url))


@command(app, "doctor", "doctor --json")
def doctor(session: Session) -> "DoctorResult":
    """Look at everything that can be wrong.

    Looks at the configuration, what cron needs, Redis (version, rights, eviction, persistence), locks, cells, the plain
    keys that the site reads, and each database (rights, limits, indexes). Says of each what was seen, and of what is
    wrong why that matters and the command that mends it. Changes nothing. Exits with 1 if anything is wrong.
    """
    from countercache.operate.doctor import examination  # noqa: PLC0415

    return examination.examine(session.settings, session.commands)


@command(locks_app, "locks list")
def locks_list(
    session: Session,
    pattern: Annotated[
        str | None,
        Option(
            "--pattern", metavar="GLOB", help="Only keys such as 'bull:*': * is any text, ? one byte, [ab] one of some."
        ),
    ] = None,
    no_foreign: Annotated[
        bool, Option("--no-foreign", help="Only countercache's own locks, not those of the web stack.")
    ] = False,
) -> "LocksResult":
    """Show who holds a lock, since when, and whether they live.

    The verdict is live, dead (the process is gone), no-ttl, or unknown (another host or container: it cannot be seen
    from here). After countercache's own come the locks that frameworks of the web stack keep in the same Redis: Celery,
    Laravel, Sidekiq, BullMQ and others, and the keys that [locks] patterns names. Nothing is changed.
    """
    from countercache.foreign_locks import scan as foreign  # noqa: PLC0415

    settings = session.settings()
    return foreign.survey(session.store(settings), settings.locks.patterns, glob=pattern, foreign=not no_foreign)


@command(locks_app, "locks clear", "locks clear main --force")
def locks_clear(
    session: Session,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Only these locks, by name, id or key. Default: all.")
    ] = None,
    force: Annotated[
        bool, Option("--force", help="Also clear a lock whose holder is alive or cannot be seen.")
    ] = False,
    foreign: Annotated[
        bool, Option("--foreign", help="With --force: also a lock of the web stack, by its exact key.")
    ] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Say what would be cleared; clear nothing.")] = False,
) -> "ClearResult":
    """Remove the locks whose holder is provably gone.

    Any other is left, which ends with exit code 3, and cleared with --force: the run that holds it then notices at its
    next renewal, cancels its query and stores nothing more. A lock that changed hands meanwhile is never removed. Those
    of the web stack are left too, unless one is named by its exact key together with --foreign and --force.
    """
    from countercache.foreign_locks import scan as others  # noqa: PLC0415
    from countercache.store import lock_owner  # noqa: PLC0415

    settings = session.settings()
    request = others.ClearRequest(tuple(names or ()), force=force, foreign=foreign, dry_run=dry_run)
    by = lock_owner.this_owner(session.typed)
    return others.clear(session.store(settings), settings.locks.patterns, request, by=by, commands=session.commands)


@command(config_app, "config check", "config check --config /etc/countercache.toml")
def config_check(session: Session) -> "CheckResult":
    """Check it against the databases and Redis.

    Looks whether the tables, columns, fields, groups and periods that it names are there, whether each SQL counter
    parses, and whether Redis answers. Nothing is computed.
    """
    from countercache.operate import worker_queries  # noqa: PLC0415

    return worker_queries.check(session.settings())


@command(config_app, "config show")
def config_show(session: Session) -> "ConfigResult":
    """Print the resolved settings as TOML, without secrets.

    They are what the file says, what the environment puts in its place, and the defaults.
    """
    from countercache.config import loader  # noqa: PLC0415
    from countercache.model.results import ConfigResult  # noqa: PLC0415

    settings = session.settings()
    shown = loader.show(settings)
    return ConfigResult(str(settings.path) if shown.pop("path", None) else None, shown)


@command(embedded_app, "embedded status")
def embedded_status(session: Session) -> "EmbeddedStatus":
    """Show whether the bundled Valkey runs, and where."""
    del session
    from countercache.store import embedded  # noqa: PLC0415

    return embedded.status()


@command(embedded_app, "embedded stop")
def embedded_stop(session: Session) -> "EmbeddedStopped":
    """Stop the bundled Valkey; its data stays.

    The next command that needs it starts it again.
    """
    del session
    from countercache.store import embedded  # noqa: PLC0415

    return embedded.stop()


app.add_typer(locks_app, name="locks")
app.add_typer(config_app, name="config")
app.add_typer(embedded_app, name="embedded")
# Its commands are the app's as it is loaded: here, so that they stand after these in the help.
from countercache.command_line import operator_commands  # noqa: E402,F401


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (default: of this process) and return its exit code; nothing is raised."""
    arguments = sys.argv[1:] if arguments is None else arguments
    session = Session(arguments)
    # Where the caller has closed one, there is no stream.
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open to the end
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = int(app(list(arguments), prog_name=PROGRAM, standalone_mode=False, obj=session) or 0)
        with render.writing():
            sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except OutputClosed as error:
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - here ends what anything may raise
        code = fail(session, error)
    return code


def fail(session: Session, error: Exception) -> int:
    """Show an error as one line, with `--debug` after its traceback; return its exit code."""
    if session.debug:
        render.show_traceback(error)
    ours = as_ours(error)
    show = partial(render.show_error, ours, ours.exit_code, log=session.log)
    try:
        with render.writing():
            show(as_json=session.json)
    except OutputError:
        show()  # what failed first is what matters; it is told on stderr
    return ours.exit_code


def as_ours(error: Exception) -> CountercacheError:
    """Any error as one of ours: Typer's as a wrong usage, what nobody expected with the word how to see more of it."""
    if isinstance(error, CountercacheError):
        return error
    if isinstance(error, typer.TyperException):
        return _usage(error)
    return CountercacheError(f"unexpected error: {type(error).__name__}: {error}", hint="run again with --debug")


def _usage(error: typer.TyperException) -> UsageError:
    """Typer's error, in one sentence of ours: `No such option: --timeuot; did you mean --timeout?`."""
    said = " ".join(error.format_message().split()).rstrip(".")
    message, near, options = said.partition(" (Possible options: ")
    if near:
        return UsageError(message, hint=f"did you mean {options.removesuffix(')').replace(', ', ' or ')}?")
    message, near, names = said.partition("Did you mean ")
    if near:
        return UsageError(message.rstrip(". "), hint=f"did you mean {names}")
    return UsageError(said, hint="see --help")
