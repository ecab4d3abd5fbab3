"""Which events are shown, and how one is written on a line."""

from __future__ import annotations

import json

import pytest

from countercache.model.states import Event, Level
from countercache.render import log
from countercache.store import event_log
from countercache.store.event_log import EventFilter
from tests.samples import EVENTS, HOSTILE, NOW, unescaped

EVENT = Event(
    "warning", "lock", "cleared", "held by x", ("a", "b"), "main", "5a1d9f2e8f5c4c5e", "ops@bastion", NOW, "1-0"
)


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (EventFilter(), True),
        (EventFilter(level=Level.WARNING), True),
        (EventFilter(level=Level.ERROR), False),
        (EventFilter(categories=("run", "lock")), True),
        (EventFilter(categories=("run",)), False),
        (EventFilter(counter="b"), True),
        (EventFilter(counter="ab"), False),
        (EventFilter(run="5a1d"), True),
        (EventFilter(run="1d9f"), False),
        (EventFilter(level=Level.WARNING, categories=("lock",), counter="a", run="5a1d9f2e8f5c4c5e"), True),
    ],
)
def test_which_are_wanted(wanted: EventFilter, taken: bool) -> None:
    """All filters together; a level means it and above, a run may be cut short, a counter may be one of several."""
    assert wanted.matches(EVENT) is taken


def test_a_level_that_nobody_knows_is_never_hidden() -> None:
    """A later version may have graver ones."""
    assert EventFilter(level=Level.ERROR).matches(EVENTS.events[-1])


def test_an_event_is_stored_without_what_does_not_apply() -> None:
    """The three words come first, empty texts are left out, several counters are lines, a long message is cut."""
    assert event_log.flatten(Event("info", "run", "started")) == (
        "level",
        "info",
        "category",
        "run",
        "action",
        "started",
    )
    assert dict(zip(event_log.flatten(EVENT)[::2], event_log.flatten(EVENT)[1::2], strict=True))["counter"] == "a\nb"
    assert len(event_log.flatten(Event("info", "run", "x", "y" * 10_000))[7]) < 2100


def test_a_line_for_people() -> None:
    """When, how grave, what happened to what, why, and who did it."""
    assert log.line(EVENT, "text") == (
        "2026-03-01T12:00:00Z warning lock cleared a, b: held by x (main, run 5a1d9f2e…, by ops@bastion)"
    )
    assert log.line(Event("info", "run", "started", lock="main", at=NOW), "text") == (
        "2026-03-01T12:00:00Z info run started main"
    )


def test_a_line_for_machines() -> None:
    """One document on one line, with the whole run."""
    document = json.loads(log.line(EVENT, "json"))
    assert document["schema"] == "countercache.event/1"
    assert (document["counters"], document["run"]) == (["a", "b"], "5a1d9f2e8f5c4c5e")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_is_a_line_whatever_is_in_it(form: str) -> None:
    """Nothing in an event starts a new line, moves the cursor or shows a password."""
    hostile = Event(HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), HOSTILE, HOSTILE, HOSTILE, NOW, HOSTILE)
    line = log.line(hostile, form)
    assert not unescaped(line)
    assert "s3cret" not in log.line(Event("info", "run", "x", "postgres://me:s3cret@db/x"), form)


def test_quiet_lets_only_errors_through(capsys: pytest.CaptureFixture[str]) -> None:
    """So that cron mails nothing of a run that went well, whatever format its log has."""
    for quiet, lines in ((False, len(EVENTS.events)), (True, 1)):
        observer = log.Log("text", quiet=quiet)
        for event in EVENTS.events:
            observer.event(event)
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", lines)
