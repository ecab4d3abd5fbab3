"""A result → what a terminal shows: aligned columns, colours by state, and what to type next.

The colours are the terminal's own eight, without white and black, so that they suit light and dark backgrounds; each
state has a sign of its own besides, for those who see or print no colours. Text from outside is escaped and never read
as markup. On a narrow terminal whole columns go, the least useful first; what names a row is folded, never cut.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import singledispatch

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from countercache.model import results
from countercache.model.redaction import redact
from countercache.model.states import Event, Level, Owner, State, Verdict
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.model.wording import count
from countercache.render import findings, foreign, log, plain, repairs, text
from countercache.render.next_commands import next_commands
from countercache.render.widgets import Column, CommandList, Flow, Grid, Runs, Uncut, sentence
from countercache.settings import EMBEDDED

SIGNS = {
    State.READY: ("●", "green"),
    State.STALE: ("◐", "yellow"),
    State.CALCULATING: ("◌", "cyan"),
    State.ERROR: ("✗", "red"),
    State.PENDING: ("○", "dim"),
}
VERDICTS = {Verdict.LIVE: "green", Verdict.DEAD: "red", Verdict.NO_TTL: "red", Verdict.UNKNOWN: "yellow"}
LEVELS: dict[str, str] = {Level.DEBUG: "dim", Level.INFO: "", Level.WARNING: "yellow", Level.ERROR: "red"}


def show(console: Console, result: object, commands: Commands = NO_OPTIONS) -> None:
    """Print the screen, and beneath it what to type next."""
    for part in (*view(result), *_next(result, commands)):
        console.print(part, crop=not isinstance(part, Uncut))


def _next(result: object, commands: Commands) -> Iterator[RenderableType]:
    if steps := next_commands(result):
        yield Text("")
        yield CommandList([(commands.to_type(command), does) for command, does in steps])


@singledispatch
def view(result: object) -> Iterator[RenderableType]:
    """The parts of the screen, from top to bottom."""
    raise TypeError(f"no view for {type(result).__name__}")


@view.register
def _(result: results.StatusResult) -> Iterator[RenderableType]:
    if not result.cells:
        yield Text("No counters are configured.")
    else:
        ages = Column("Updated", [(text.age(cell.age), "") for cell in result.cells], right=True, drop=1)
        yield Grid([*cell_columns(result.cells), ages])
    if result.runs:
        yield Text("")
        yield Runs(result.runs)
    yield from failures(result.cells)
    yield from _summary(result.cells)


@view.register
def _(result: results.WarmupResult) -> Iterator[RenderableType]:
    cells = [view for job in result.jobs for outcome in job.counters for view in outcome.cells]
    if cells:
        took = [(text.duration(view.cell.duration) if view.cell and not view.failure else "", "") for view in cells]
        yield Grid([*cell_columns(cells), Column("Took", took, right=True, drop=4)])
    yield from _summary(cells, sum(job.duration for job in result.jobs[:1]) if len(result.jobs) == 1 else None)


@view.register
def _(result: results.LocksResult) -> Iterator[RenderableType]:
    if not result.locks:
        yield Text("No locks of countercache: nothing is being computed.")
    else:
        yield from _own_locks(result.locks)
    if result.foreign:
        yield from _foreign_locks(result.foreign)


def _own_locks(locks: Sequence[results.LockView]) -> Iterator[RenderableType]:
    columns = [
        Column("Lock", [(text.escape(view.lock.name), "bold") for view in locks], fold=True),
        Column("Verdict", [(view.verdict, VERDICTS[view.verdict]) for view in locks]),
        Column("Owner", [(text.escape(owner.name), "") for owner in _owners(locks)], fold=True),
        Column("Pid", [(str(owner.pid), "") for owner in _owners(locks)], right=True, drop=2),
        Column("Age", [(text.duration(view.age), "") for view in locks], right=True),
        Column("Expires", [_expires(view) for view in locks], right=True, drop=1),
        Column("Deadline", [_deadline(view) for view in locks], right=True, drop=3),
        Column("Progress", [(text.progress(view.lock.progress), "") for view in locks], drop=4),
        Column("Fence", [(str(view.lock.fence), "dim") for view in locks], right=True, drop=6),
        Column("Command", [(text.escape(owner.command, 60), "dim") for owner in _owners(locks)], drop=5),
    ]
    yield Grid(columns)
    doubtful = [view for view in locks if view.verdict is not Verdict.LIVE]
    if doubtful:
        yield Text("")
    for view in doubtful:
        if view.why:
            yield sentence("•", VERDICTS[view.verdict], f"{text.escape(view.lock.name)}: {text.escape(view.why, 1000)}")


def _foreign_locks(locks: Sequence[results.ForeignLock]) -> Iterator[RenderableType]:
    """Those of the web stack: never touched, but on an explicit word."""
    yield Text("\nOther locks in this Redis, none of them countercache's", style="bold")
    yield Grid(
        [
            Column("Key", [(foreign.key(view), "bold") for view in locks], fold=True),
            Column("Framework", [(view.framework, "cyan") for view in locks]),
            Column("Age", [(foreign.age(view), "") for view in locks], right=True, drop=2),
            Column("Expires", [_foreign_expires(view) for view in locks], right=True),
            Column("Type", [(text.escape(view.type, 20), "dim") for view in locks], drop=4),
            Column("Holds", [(foreign.preview(view, 40), "dim") for view in locks], drop=3),
        ]
    )
    endless = [view for view in locks if view.ttl is None]
    if endless:
        yield Text("")
        never = f"{count(len(endless), 'lock')} with no time to live: only the holder, or an operator, removes"
        yield sentence("!", "red", f"{never} {'it' if len(endless) == 1 else 'them'}")


def _foreign_expires(lock: results.ForeignLock) -> tuple[str, str]:
    return ("never", "bold red") if lock.ttl is None else (f"in {foreign.expires(lock)}", "")


@view.register
def _(result: results.ClearResult) -> Iterator[RenderableType]:
    if not (result.locks or result.foreign or result.unknown):
        yield Text("No locks: nothing to clear.")
    cleared = [(text.escape(lock.lock.name), lock.why) for lock in result.locks if lock.cleared]
    cleared += [(foreign.key(lock.lock), lock.why) for lock in result.foreign if lock.cleared]
    for name, why in cleared:
        yield sentence("✓", "green", f"{name}: {text.escape(why, 1000)}")


@view.register
def _(result: results.EventsResult) -> Iterator[RenderableType]:
    events = result.events
    if not events:
        yield Text("No such events.")
        return
    yield Grid(
        [
            Column("Time", [(text.second(event.at), "dim") for event in events]),
            Column(
                "Level", [(text.escape(event.level, 20), LEVELS.get(event.level, "red")) for event in events], drop=1
            ),
            Column(
                "Event",
                [(text.happened(event), f"bold {LEVELS.get(event.level, 'red')}") for event in events],
                fold=True,
            ),
            Column("Of", [(text.subject(event, 3), "") for event in events], fold=True),
            Column("What", [(text.message(event), "") for event in events], fold=True),
            Column("By", [(text.escape(event.by, 60), "") for event in events], drop=2),
            Column("Run", [(text.escape(event.run, text.RUN), "dim") for event in events], drop=3),
        ]
    )


def event_line(event: Event) -> Text:
    """An event as one line, its level in colour."""
    level = Text(f"{text.escape(event.level, 20):8}", style=LEVELS.get(event.level, "red"))
    return Text.assemble((text.second(event.at), "dim"), " ", level, " ", log.body(event))


@view.register
def _(result: results.RecoverResult) -> Iterator[RenderableType]:
    for lock in result.locks:
        if lock.cleared:
            yield sentence("✓", "green", f"{text.escape(lock.lock.name)}: {text.escape(lock.why, 1000)}")
    if not result.broken:
        yield Text("No counter to recover: none has failed, and all have a value.")
        return
    outcomes = [repairs.OUTCOMES[repairs.outcome(result, broken)] for broken in result.broken]
    yield Grid(
        [
            Column("", [(sign, style) for sign, style, _ in outcomes]),
            Column("Counter", [(text.escape(broken.counter), "bold") for broken in result.broken], fold=True),
            Column("Cells", [(str(broken.cells), "") for broken in result.broken], right=True, drop=2),
            Column("Now", [(words, style) for _, style, words in outcomes]),
            Column("Found", [(repairs.problem(broken), "") for broken in result.broken], fold=True, drop=1),
        ]
    )


@view.register
def _(result: results.AcceptResult) -> Iterator[RenderableType]:
    if not result.cells:
        yield Text(f"No value of {text.escape(result.counter)} is held back.")
    for cell in result.cells:
        line = Text(f"{', '.join(map(text.escape, (cell.cell.counter, cell.cell.group, cell.cell.period)))}: ", "bold")
        sign, style, done = ("✓", "green", "stored") if cell.accepted else ("•", "yellow", "left")
        yield sentence(sign, style, line.append(f"{done}; {text.escape(cell.why, 1000)}", "not bold"))


@view.register
def _(result: results.PruneResult) -> Iterator[RenderableType]:
    if not result.cells and not result.attempts:
        yield Text("Nothing to prune: all that is stored is configured.")
        return
    if result.cells:
        states = [repairs.pruned_state(result, cell) for cell in result.cells]
        yield Grid(
            [
                Column("Counter", [(text.escape(cell.cell.counter), "bold") for cell in result.cells], fold=True),
                Column("Group", [(text.escape(cell.cell.group), "") for cell in result.cells], fold=True),
                Column("Period", [(text.escape(cell.cell.period), "") for cell in result.cells], fold=True),
                Column("", [(state, "yellow" if state == "left" else "") for state in states]),
            ]
        )
        yield Text("")
    yield Text(repairs.prune_summary(result))


@view.register
def _(result: results.CheckResult) -> Iterator[RenderableType]:
    for check in result.checks:
        line = Text(f"{text.escape(check.subject)}: ", style="bold").append(text.escape(check.text, 1000), "not bold")
        sign, style = ("!", "yellow") if check.warning else ("✓", "green") if check.ok else ("✗", "red")
        yield sentence(sign, style, line)
    warnings = sum(check.warning for check in result.checks)
    if all(check.ok for check in result.checks):
        amount = count(len(result.checks) - warnings, "check")
        summary = f"{amount} passed, {count(warnings, 'warning')}." if warnings else f"{amount}, all well."
        yield Text(f"\n{summary}", style="yellow" if warnings else "green")


@view.register
def _(result: results.DoctorResult) -> Iterator[RenderableType]:
    yield from findings.screen(result)


@view.register
def _(result: results.PlanResult) -> Iterator[RenderableType]:
    yield Grid(
        [
            Column("Counter", _repeats([text.escape(cell.counter) for cell in result.cells]), fold=True),
            Column("Group", [(text.escape(cell.group), "") for cell in result.cells], fold=True),
            Column("Period", [(text.escape(cell.period), "") for cell in result.cells], fold=True),
        ]
    )
    for step in result.steps:
        yield Text(f"\n{text.escape(step.database)}: {text.escape(step.purpose)}", style="bold cyan")
        yield Padding(Text("\n".join(map(text.escape, step.sql.strip().splitlines()))), (0, 0, 0, 2))
    cells, queries = count(len(result.cells), "cell"), count(len(result.steps), "query", "queries")
    yield Text(f"\n{cells} in {queries}; nothing was computed.")


@view.register
def _(result: results.ConfigResult) -> Iterator[RenderableType]:
    for line in plain.lines(result):
        yield Text(line, style="bold cyan" if line.startswith("[") else "dim" if line.startswith("#") else "")


@view.register
def _(result: results.EmbeddedStatus) -> Iterator[RenderableType]:
    what = f"running: {text.embedded(result)}" if result.running else "not running; any command that needs it starts it"
    yield sentence("●" if result.running else "○", "green" if result.running else "dim", what)
    yield Text(f"  socket     {text.escape(result.socket)}")
    yield Text(f"  directory  {text.escape(result.directory)}")


@view.register
def _(result: results.EmbeddedStopped) -> Iterator[RenderableType]:
    data = f"its data stays in {text.escape(result.directory)}"
    yield Text(f"Stopped the embedded Valkey, pid {result.pid}; {data}." if result.pid else f"It does not run; {data}.")


@view.register
def _(result: results.DemoRun) -> Iterator[RenderableType]:
    made = result.made
    yield Text("What UK councils owe", style="bold")
    size = f"{made.figures:,} figures of {made.entities:,} councils in {made.periods} years"
    bundled = result.redis == EMBEDDED
    redis = "the bundled Valkey" if bundled else text.escape(redact(result.redis), text.LIMIT)
    yield Text(f"{size}, in {text.escape(made.database)};\nthe totals are in {redis}\n")
    yield from view(result.status)
    kept = " (you had edited it: it was left as it is)" if made.config_kept else ""
    yield Text(f"\n{text.escape(made.config)} is a configuration to copy from{kept}. Try next:\n")
    yield CommandList(
        [
            (f"cd {shlex.quote(made.directory)}", ""),
            (f"{result.program} status --watch", "shows these counters live"),
            (f"{result.program} doctor", "looks at everything that can be wrong"),
            (f"{result.program} config check", "says what is missing, once your own tables are in the configuration"),
            *([(text.stop(result), "stops the bundled Valkey, which runs on")] if bundled else []),
        ]
    )


def cell_columns(views: Sequence[results.CellView]) -> list[Column]:
    """What all tables of cells have. A group or period that is the same everywhere says nothing, and is left out."""
    several_groups = len({view.id.group for view in views}) > 1
    changes = [text.change(view.cell) if view.cell and view.cell.change is not None else "" for view in views]
    covers = [
        f"{text.coverage(view.cell.coverage)} {text.covered(view)}".rstrip() if view.cell and view.cell.coverage else ""
        for view in views
    ]
    named = [text.escape(view.name, text.LIMIT) if view.name != view.id.counter else "" for view in views]
    return [
        Column("", [SIGNS[view.state] for view in views]),
        Column("Counter", _repeats([text.escape(view.id.counter) for view in views]), fold=True),
        Column("Name", _repeats(named, ""), drop=9),
        Column("Group", [(text.escape(view.id.group) if several_groups else "", "") for view in views], fold=True),
        Column("Period", [(text.escape(text.period(view), text.LIMIT), "") for view in views], fold=True),
        Column("Value", [(text.value(view), "bold") for view in views], right=True, fold=True),
        Column("Change", [(change, "") for change in changes], right=True, drop=3),
        Column("Coverage", [(coverage_text, "") for coverage_text in covers], right=True, drop=5),
        Column("State", [(view.state, SIGNS[view.state][1]) for view in views], drop=6),
    ]


def _repeats(names: Sequence[str], style: str = "bold") -> list[tuple[str, str]]:
    """Names of rows; one that repeats the row above is dimmed."""
    return [(name, "dim" if index and names[index - 1] == name else style) for index, name in enumerate(names)]


def _owners(locks: Iterable[results.LockView]) -> Iterator[Owner]:
    return (view.lock.owner for view in locks)


def _expires(view: results.LockView) -> tuple[str, str]:
    return ("never", "red") if view.lock.ttl is None else (f"in {text.duration(view.lock.ttl)}", "")


def _deadline(view: results.LockView) -> tuple[str, str]:
    left = view.lock.deadline - view.lock.acquired - view.age
    return (f"in {text.duration(left)}", "") if left > 0 else ("over", "red")


def failures(views: Iterable[results.CellView]) -> Iterator[RenderableType]:
    """Each failure once, and the counters that it hit."""
    counters_of: dict[str, list[str]] = {}
    for view in views:
        if view.failure:
            problem = text.failure(view.failure) + (f"; {text.put_off(view)}" if view.retry_in is not None else "")
            if view.id.counter not in counters_of.setdefault(problem, []):
                counters_of[problem].append(view.id.counter)
    if counters_of:
        yield Text("")
    for problem, counters in counters_of.items():
        line = Text(text.listed(counters), style="bold").append(f": {problem}", "not bold")
        yield sentence("✗", "red", line)


def _summary(views: Sequence[results.CellView], seconds: float | None = None) -> Iterator[RenderableType]:
    amounts = states(views)
    if not amounts:
        return
    if seconds is not None:
        amounts.append(Text(f"in {text.duration(seconds)}", "dim"))
    yield Text("")
    yield Flow(amounts)
    rejected = {view.id.counter: None for view in views if view.cell and view.cell.rejected and not view.failure}
    if rejected:
        yield sentence("!", "yellow", f"values that are no numbers were left out of {text.listed(rejected)}")
    noted: dict[str, dict[str, None]] = {}
    for view in views:
        if note := text.note(view):
            noted.setdefault(note, {})[view.id.counter] = None
    for note, counters in noted.items():
        yield sentence("!", "yellow", f"{text.listed(counters)}: {text.escape(note, 1000)}")


def states(views: Iterable[results.CellView]) -> list[Text]:
    """How many cells are in each state."""
    counts = Counter(view.state for view in views)
    return [Text(f"{sign} {counts[state]} {state}", style) for state, (sign, style) in SIGNS.items() if counts[state]]
