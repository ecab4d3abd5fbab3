"""The commands with which an operator examines and repairs what happened: `events`, `recover`, `accept`, `prune`."""

from typing import TYPE_CHECKING, Annotated

from countercache import render
from countercache.command_line.options import Counter, Option, app, command
from countercache.command_line.session import Session, number, one_of, seconds

if TYPE_CHECKING:
    from countercache.model.results import AcceptResult, EventsResult, PruneResult, RecoverResult

LEVELS = ("debug", "info", "warning", "error")
CATEGORIES = ("lock", "timeout", "run", "counter", "breaker", "recovery")

DryRun = Annotated[bool, Option("--dry-run", help="Say what would be done; do nothing.")]
Quiet = Annotated[bool, Option("--quiet", "-q", help="Print nothing on success, for cron.")]


@command(app, "events", "events --level warning --since 2h")
def events(  # noqa: PLR0913 - its options
    session: Session,
    level: Annotated[
        str | None, Option("--level", metavar="|".join(LEVELS), help="Only of that level and above. Default: all.")
    ] = None,
    categories: Annotated[
        list[str] | None,
        Option("--category", metavar="|".join(CATEGORIES), help="Only of that category; may be given again."),
    ] = None,
    counter: Annotated[str | None, Option("--counter", metavar="COUNTER", help="Only about that counter.")] = None,
    run: Annotated[
        str | None, Option("--run", metavar="ID", help="Only of that run: its id, or how it begins.")
    ] = None,
    since: Annotated[str | None, Option("--since", metavar="DURATION", help="Only of the last DURATION.")] = None,
    limit: Annotated[str | None, Option("--limit", "-n", metavar="N", help="Only the newest N.")] = None,
    follow: Annotated[
        bool, Option("--follow", "-f", help="Show the newest 10, then each as it comes, until Ctrl-C.")
    ] = False,
) -> "EventsResult":
    """Show what runs and operators did: the log in Redis.

    Runs that started, finished and failed; timeouts; locks acquired, refused, lost and cleared, and by whom; counters
    that failed or were slow; circuit breakers that opened and closed; recoveries. [events] keep says how many are kept.
    """
    from countercache.model.states import Level  # noqa: PLC0415
    from countercache.store import event_log as log  # noqa: PLC0415

    selection = log.EventFilter(
        level=Level(one_of("--level", level, LEVELS) or "debug"),
        categories=tuple(one_of("--category", category, CATEGORIES) for category in categories or ()),
        counter=counter or "",
        run=run or "",
        since=seconds("--since", since),
        limit=number("--limit", limit),
    )
    store = session.store(session.settings())
    if follow:
        with render.writing():
            render.follow(log.follow(store, selection), as_json=session.json)
    return log.find(store, selection)


@command(app, "recover", "recover --dry-run")
def recover(
    session: Session,
    dry_run: DryRun = False,
    timeout: Annotated[
        str | None, Option("--timeout", metavar="DURATION", help="Limit of each job. Default: [agent] timeout.")
    ] = None,
    quiet: Quiet = False,
) -> "RecoverResult":
    """Clear dead locks; compute again what failed.

    What has no value is computed too, and so is what the circuit breaker puts off. A lock whose holder is alive or
    cannot be seen from here is left, and with it what it covers: that ends with exit code 3, and the line that says so
    names the command to insist.
    """
    from countercache.operate import recovery  # noqa: PLC0415

    settings = session.settings()
    request = recovery.Request(dry_run, seconds("--timeout", timeout), session.typed, session.commands)
    with render.observer(shown=not dry_run, quiet=quiet) as observer:
        return recovery.recover(session.store(settings), settings, request, observer)


@command(app, "accept", "accept total-debt")
def accept(session: Session, counter: Counter) -> "AcceptResult":
    """Store the value of a counter that was held back.

    A value that moved by more than the counter's max_change is held back, and its cell is in error. This stores it, and
    publishes it, as it was computed then. `warmup --accept` computes anew and holds nothing back.
    """
    from countercache.operate import acceptance as accepting  # noqa: PLC0415
    from countercache.store import lock_owner  # noqa: PLC0415

    settings = session.settings((counter,))
    store = session.store(settings)
    by = lock_owner.this_owner(session.typed).name
    return accepting.accept(store, settings, counter, by=by, command=session.typed, commands=session.commands)


@command(app, "prune", "prune --dry-run")
def prune(session: Session, dry_run: DryRun = False, quiet: Quiet = False) -> "PruneResult":
    """Remove what is no longer configured.

    That is what Redis still has of counters, groups and periods that the configuration does not have any more. With
    each cell go the plain keys that it published, if they still hold its value; no other key is touched. Configurations
    must not share a namespace: each would prune the other's cells.
    """
    del quiet
    from countercache.operate import pruning  # noqa: PLC0415
    from countercache.store import lock_owner  # noqa: PLC0415

    settings = session.settings()
    by = lock_owner.this_owner(session.typed).name
    return pruning.prune(session.store(settings), settings, by=by, dry_run=dry_run)
