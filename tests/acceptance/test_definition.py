"""A number whose formula was changed in the configuration is not passed off as the new one's."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.operating import document, sql, states
from tests.terminal import run
from tests.valkey import Valkey

LONG = "long-term-borrowing-of-councils"


def edit(directory: Path, before: str, after: str) -> None:
    """Change the configuration."""
    file = directory / "countercache.toml"
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1
    file.write_text(text.replace(before, after), encoding="utf-8")


def cells(directory: Path, counter: str) -> list[dict[str, object]]:
    """The cells of a counter as `status --json` has them."""
    found: list[dict[str, object]] = document("status", counter, cwd=directory)["counter_states"]
    return found


def test_a_changed_formula_makes_the_number_stale(directory: Path) -> None:
    """It is still shown, with the reason, also by `doctor`; `warmup --due` computes it, and only it."""
    assert run("warmup", cwd=directory).returncode == 0
    edit(directory, 'formula = "long-term"', 'formula = "long-term + short-term"')
    assert {each["state"] for each in cells(directory, LONG)} == {"stale"}
    assert {each["note"] for each in cells(directory, LONG)} == {"the configuration has changed since"}
    assert cells(directory, "users")[0]["state"] == "ready"
    shown = run("status", cwd=directory).stdout
    assert shown.count("the configuration has changed since") == 4
    assert "countercache warmup --due" in shown
    told = run("doctor", cwd=directory).stdout
    assert f"4 cells of {LONG}: the configuration has changed since" in told
    assert "fresh_for" not in told, "cron is not to blame"
    assert LONG in run("warmup", "--due", cwd=directory).stdout
    assert set(states(directory).values()) == {"ready"}
    values = [each["value"] for each in cells(directory, LONG) if each["latest"] and each["group"] == "all"]
    assert values == ["1250100"]
    assert run("warmup", "--due", cwd=directory).stdout == ""


def test_a_cell_of_an_older_version_is_not_taken_for_changed(directory: Path, valkey: Valkey) -> None:
    """It has no digest: nothing tells that its number is another one."""
    assert run("warmup", cwd=directory).returncode == 0
    assert valkey.client().hdel("countercache:{site}:cell:users:all:all", "definition") == 1
    edit(directory, "SELECT count(*) FROM user", "SELECT max(id) FROM user")
    assert cells(directory, "users")[0]["state"] == "ready"


def test_a_value_that_another_formula_held_back_is_not_accepted(directory: Path) -> None:
    """It is left, in one line with what to do; once it is computed anew it can be."""
    edit(directory, '[counters.users]\ndatabase = "main"', '[counters.users]\nmax_change = "50%"\ndatabase = "main"')
    assert run("warmup", "users", cwd=directory).returncode == 0
    sql(directory, "DELETE FROM user WHERE id > 1")
    assert run("warmup", "users", cwd=directory).returncode == 1
    edit(directory, "SELECT count(*) FROM user", "SELECT 7 * count(*) FROM user")
    left = run("accept", "users", cwd=directory)
    assert left.returncode == 3
    assert left.stderr == (
        "countercache: error: users (all all): left, since the configuration has changed since it was computed; "
        "run `countercache warmup users`\n"
    )
    assert cells(directory, "users")[0]["value"] == "3"
    assert run("warmup", "users", cwd=directory).returncode == 1
    assert run("accept", "users", cwd=directory).returncode == 0
    assert (cells(directory, "users")[0]["value"], cells(directory, "users")[0]["state"]) == ("7", "ready")
