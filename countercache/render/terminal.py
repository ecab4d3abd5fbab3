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
        ages = Column("Updated", [(text.age(each.age), "") for each in result.cells], right=True, drop=1)
        yield Grid([*cell_columns(result.cells), ages])
    if result.runs:
        yield Text("")
        yield Runs(result.runs)
    yield from failures(result.cells)
    yield from _summary(result.cells)


@view.register
def _(result: results.WarmupResult) -> Iterator[RenderableType]:
    cells = [each for job in result.jobs for outcome in job.counters for each in outcome.cells]
    if cells:
        took = [(text.duration(each.cell.duration) if each.cell and not each.failure else "", "") for each in cells]
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
        Column("Lock", [(text.escape(each.lock.name), "bold") for each in locks], fold=True),
        Column("Verdict", [(each.verdict, VERDICTS[each.verdict]) for each in locks]),
        Column("Owner", [(text.escape(owner.name), "") for owner in _owners(locks)], fold=True),
        Column("Pid", [(str(owner.pid), "") for owner in _owners(locks)], right=True, drop=2),
        Column("Age", [(text.duration(each.age), "") for each in locks], right=True),
        Column("Expires", [_expires(each) for each in locks], right=True, drop=1),
        Column("Deadline", [_deadline(each) for each in locks], right=True, drop=3),
        Column("Progress", [(text.progress(each.lock.progress), "") for each in locks], drop=4),
        Column("Fence", [(str(each.lock.fence), "dim") for each in locks], right=True, drop=6),
        Column("Command", [(text.escape(owner.command, 60), "dim") for owner in _owners(locks)], drop=5),
    ]
    yield Grid(columns)
    doubtful = [each for each in locks if each.verdict is not Verdict.LIVE]
    if doubtful:
        yield Text("")
    for each in doubtful:
        if each.why:
            yield sentence("•", VERDICTS[each.verdict], f"{text.escape(each.lock.name)}: {text.escape(each.why, 1000)}")


def _foreign_locks(locks: Sequence[results.ForeignLock]) -> Iterator[RenderableType]:
    """Those of the web stack: never touched, but on an explicit word."""
    yield Text("\nOther locks in this Redis, none of them countercache's", style="bold")
    yield Grid(
        [
            Column("Key", [(foreign.key(each), "bold") for each in locks], fold=True),
            Column("Framework", [(each.framework, "cyan") for each in locks]),
            Column("Age", [(foreign.age(each), "") for each in locks], right=True, drop=2),
            Column("Expires", [_foreign_expires(each) for each in locks], right=True),
            Column("Type", [(text.escape(each.type, 20), "dim") for each in locks], drop=4),
            Column("Holds", [(foreign.preview(each, 40), "dim") for each in locks], drop=3),
        ]
    )
    endless = [each for each in locks if each.ttl is None]
    if endless:
        yield Text("")
        never = f"{count(len(endless), 'lock')} with no time to live: only the holder, or somebody by hand, removes"
        yield sentence("!", "red", f"{never} {'it' if len(endless) == 1 else 'them'}")


def _foreign_expires(lock: results.ForeignLock) -> tuple[str, str]:
    return ("never", "bold red") if lock.ttl is None else (f"in {foreign.expires(lock)}", "")


@view.register
def _(result: results.ClearResult) -> Iterator[RenderableType]:
    if not (result.locks or result.foreign or result.unknown):
        yield Text("No locks: nothing to clear.")
    cleared = [(text.escape(each.lock.name), each.why) for each in result.locks if each.cleared]
    cleared += [(foreign.key(each.lock), each.why) for each in result.foreign if each.cleared]
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
            Column("Time", [(text.second(each.at), "dim") for each in events]),
            Column("Level", [(text.escape(each.level, 20), LEVELS.get(each.level, "red")) for each in events], drop=1),
            Column(
                "Event", [(text.happened(each), f"bold {LEVELS.get(each.level, 'red')}") for each in events], fold=True
            ),
            Column("Of", [(text.subject(each, 3), "") for each in events], fold=True),
            Column("What", [(text.message(each), "") for each in events], fold=True),
            Column("By", [(text.escape(each.by, 60), "") for each in events], drop=2),
            Column("Run", [(text.escape(each.run, text.RUN), "dim") for each in events], drop=3),
        ]
    )


def event_line(event: Event) -> Text:
    """An event as one line, its level in colour."""
    level = Text(f"{text.escape(event.level, 20):8}", style=LEVELS.get(event.level, "red"))
    return Text.assemble((text.second(event.at), "dim"), " ", level, " ", log.body(event))


@view.register
def _(result: results.RecoverResult) -> Iterator[RenderableType]:
    for each in result.locks:
        if each.cleared:
            yield sentence("✓", "green", f"{text.escape(each.lock.name)}: {text.escape(each.why, 1000)}")
    if not result.broken:
        yield Text("No counter to recover: none has failed, and all have a value.")
        return
    became = [repairs.OUTCOMES[repairs.outcome(result, each)] for each in result.broken]
    yield Grid(
        [
            Column("", [(sign, style) for sign, style, _ in became]),
            Column("Counter", [(text.escape(each.counter), "bold") for each in result.broken], fold=True),
            Column("Cells", [(str(each.cells), "") for each in result.broken], right=True, drop=2),
            Column("Now", [(words, style) for _, style, words in became]),
            Column("Found", [(repairs.found(each), "") for each in result.broken], fold=True, drop=1),
        ]
    )


@view.register
def _(result: results.AcceptResult) -> Iterator[RenderableType]:
    if not result.cells:
        yield Text(f"No value of {text.escape(result.counter)} is held back.")
    for each in result.cells:
        line = Text(f"{', '.join(map(text.escape, (each.cell.counter, each.cell.group, each.cell.period)))}: ", "bold")
        sign, style, done = ("✓", "green", "stored") if each.accepted else ("•", "yellow", "left")
        yield sentence(sign, style, line.append(f"{done}; {text.escape(each.why, 1000)}", "not bold"))


@view.register
def _(result: results.PruneResult) -> Iterator[RenderableType]:
    if not result.cells and not result.attempts:
        yield Text("Nothing to prune: all that is stored is configured.")
        return
    if result.cells:
        states = [repairs.pruned_state(result, each) for each in result.cells]
        yield Grid(
            [
                Column("Counter", [(text.escape(each.cell.counter), "bold") for each in result.cells], fold=True),
                Column("Group", [(text.escape(each.cell.group), "") for each in result.cells], fold=True),
                Column("Period", [(text.escape(each.cell.period), "") for each in result.cells], fold=True),
                Column("", [(state, "yellow" if state == "left" else "") for state in states]),
            ]
        )
        yield Text("")
    yield Text(repairs.prune_summary(result))


@view.register
def _(result: results.CheckResult) -> Iterator[RenderableType]:
    for each in result.checks:
        line = Text(f"{text.escape(each.subject)}: ", style="bold").append(text.escape(each.text, 1000), "not bold")
        sign, style = ("!", "yellow") if each.warning else ("✓", "green") if each.ok else ("✗", "red")
        yield sentence(sign, style, line)
    warnings = sum(each.warning for each in result.checks)
    if all(each.ok for each in result.checks):
        amount = count(len(result.checks) - warnings, "check")
        said = f"{amount} passed, {count(warnings, 'warning')}." if warnings else f"{amount}, all well."
        yield Text(f"\n{said}", style="yellow" if warnings else "green")


@view.register
def _(result: results.DoctorResult) -> Iterator[RenderableType]:
    yield from findings.screen(result)


@view.register
def _(result: results.PlanResult) -> Iterator[RenderableType]:
    yield Grid(
        [
            Column("Counter", _repeats([text.escape(each.counter) for each in result.cells]), fold=True),
            Column("Group", [(text.escape(each.group), "") for each in result.cells], fold=True),
            Column("Period", [(text.escape(each.period), "") for each in result.cells], fold=True),
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
    several_groups = len({each.id.group for each in views}) > 1
    changes = [text.change(each.cell) if each.cell and each.cell.change is not None else "" for each in views]
    covers = [
        f"{text.coverage(each.cell.coverage)} {text.covered(each)}".rstrip() if each.cell and each.cell.coverage else ""
        for each in views
    ]
    named = [text.escape(each.name, text.LIMIT) if each.name != each.id.counter else "" for each in views]
    return [
        Column("", [SIGNS[each.state] for each in views]),
        Column("Counter", _repeats([text.escape(each.id.counter) for each in views]), fold=True),
        Column("Name", _repeats(named, ""), drop=9),
        Column("Group", [(text.escape(each.id.group) if several_groups else "", "") for each in views], fold=True),
        Column("Period", [(text.escape(text.period(each), text.LIMIT), "") for each in views], fold=True),
        Column("Value", [(text.value(each), "bold") for each in views], right=True, fold=True),
        Column("Change", [(each, "") for each in changes], right=True, drop=3),
        Column("Coverage", [(each, "") for each in covers], right=True, drop=5),
        Column("State", [(each.state, SIGNS[each.state][1]) for each in views], drop=6),
    ]


def _repeats(names: Sequence[str], style: str = "bold") -> list[tuple[str, str]]:
    """Names of rows; one that repeats the row above is dimmed."""
    return [(name, "dim" if index and names[index - 1] == name else style) for index, name in enumerate(names)]


def _owners(locks: Iterable[results.LockView]) -> Iterator[Owner]:
    return (each.lock.owner for each in locks)


def _expires(each: results.LockView) -> tuple[str, str]:
    return ("never", "red") if each.lock.ttl is None else (f"in {text.duration(each.lock.ttl)}", "")


def _deadline(each: results.LockView) -> tuple[str, str]:
    left = each.lock.deadline - each.lock.acquired - each.age
    return (f"in {text.duration(left)}", "") if left > 0 else ("over", "red")


def failures(views: Iterable[results.CellView]) -> Iterator[RenderableType]:
    """Each failure once, and the counters that it hit."""
    found: dict[str, list[str]] = {}
    for each in views:
        if each.failure:
            said = text.failure(each.failure) + (f"; {text.put_off(each)}" if each.retry_in is not None else "")
            if each.id.counter not in found.setdefault(said, []):
                found[said].append(each.id.counter)
    if found:
        yield Text("")
    for said, counters in found.items():
        line = Text(text.listed(counters), style="bold").append(f": {said}", "not bold")
        yield sentence("✗", "red", line)


def _summary(views: Sequence[results.CellView], seconds: float | None = None) -> Iterator[RenderableType]:
    amounts = states(views)
    if not amounts:
        return
    if seconds is not None:
        amounts.append(Text(f"in {text.duration(seconds)}", "dim"))
    yield Text("")
    yield Flow(amounts)
    rejected = {each.id.counter: None for each in views if each.cell and each.cell.rejected and not each.failure}
    if rejected:
        yield sentence("!", "yellow", f"values that are no numbers were left out of {text.listed(rejected)}")
    noted: dict[str, dict[str, None]] = {}
    for each in views:
        if note := text.note(each):
            noted.setdefault(note, {})[each.id.counter] = None
    for note, counters in noted.items():
        yield sentence("!", "yellow", f"{text.listed(counters)}: {text.escape(note, 1000)}")


def states(views: Iterable[results.CellView]) -> list[Text]:
    """How many cells are in each state."""
    found = Counter(each.state for each in views)
    return [Text(f"{sign} {found[state]} {state}", style) for state, (sign, style) in SIGNS.items() if found[state]]
