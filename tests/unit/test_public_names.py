"""What `import countercache` gives: the promised names, whatever else is imported, and none before it is used."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import countercache
from countercache import agent, errors
from countercache.api import functions, guard_messages
from countercache.config import loader
from countercache.model.results import WarmupResult

PACKAGE = Path(countercache.__file__).parent


def printed(code: str) -> str:
    """What a program prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_every_name_is_there() -> None:
    """Each can be had and is listed; one that is none is the usual error."""
    for name in countercache.__all__:
        assert getattr(countercache, name) is not None
    assert set(countercache.__all__) <= set(dir(countercache))
    with pytest.raises(AttributeError, match="module 'countercache' has no attribute 'warm_up'"):
        _ = countercache.warm_up  # type: ignore[attr-defined]


def test_type_checkers_see_the_same_names() -> None:
    """What is imported for them is what is promised."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    names = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert names | {"__version__"} == set(countercache.__all__)


def test_no_name_is_that_of_a_module() -> None:
    """A module that is imported becomes an attribute of its package, and would take the place of the name."""
    modules = {path.stem for path in PACKAGE.iterdir() if path.suffix in {"", ".py"}}
    assert not modules & set(countercache.__all__)


def test_nothing_is_loaded_before_it_is_used() -> None:
    """The package alone loads none of its modules and no library, the errors no driver."""
    loaded = "print(*sorted(name for name in sys.modules if name.startswith(('countercache.', 'msgspec', 'redis'))))"
    assert printed(f"import sys, countercache; {loaded}") == ""
    assert printed(f"import sys, countercache; countercache.RedisError; {loaded}") == "countercache.errors"


def test_every_error_of_a_run_keeps_its_class() -> None:
    """What the process raises and is public is raised as the same class, anything else of ours as the base."""
    for cls in (getattr(countercache, name) for name in countercache.__all__):
        if isinstance(cls, type) and issubclass(cls, errors.CountercacheError):
            told = guard_messages.encode(guard_messages.raised(cls("what failed", hint="do this")))
            answer = guard_messages.decode_answer(told)
            assert isinstance(answer, guard_messages.Raised)
            again = guard_messages.error_of(answer)
            assert (type(again), again.message, again.hint) == (cls, "what failed", "do this")
    other = guard_messages.error_of(guard_messages.raised(errors.DeadlineExceeded("too late")))
    assert (type(other), str(other)) == (errors.CountercacheError, "too late")


SETTINGS = """
[agent]
timeout = "1h30m"
[databases.main]
url = "sqlite:///x.db"
[sources.long]
database = "main"
table = "t"
entity = "e"
field = "f"
value = "v"
min_coverage = "33.3%"
entities = { table = "entity" }
fields = { table = "field", key = "k", name = "n" }
numbers = { thousands = ",", null = ["n/a"] }
[sources.wide]
database = "main"
layout = "wide"
table = "t"
entity = "e"
fields = { table = "column_of_that_name", key = "k" }
[sources.listed]
database = "main"
layout = "wide"
table = "t"
entity = "e"
fields = ["a", "b"]
[counters.a]
source = "listed"
formula = "a / b"
max_change = "10%"
format = { percent = true }
[counters.b]
sql = "SELECT 1"
fresh_for = "1d"
[publish]
ttl = "never"
"""


def test_settings_arrive_as_they_are(tmp_path: Path) -> None:
    """Every kind of value, also a path and a text with bytes that are not UTF-8."""
    directory = tmp_path / "not-utf-8-\udcff"
    directory.mkdir()
    (directory / "countercache.toml").write_text(SETTINGS, encoding="utf-8")
    settings = loader.load(directory / "countercache.toml", {"REDIS_URL": "unix:///\udcfe"})
    order = guard_messages.Order(settings, agent.Request(("a",), timeout=1.5, batch_size="auto", command="\udcff\n"))
    line = guard_messages.encode(order)
    assert line.count(b"\n") == 1
    again = guard_messages.decode_order(line)
    assert again == order
    assert type(again.settings.sources["long"].fields) is type(settings.sources["long"].fields)
    assert again.settings.sources["long"].min_coverage == Decimal("0.333")


def test_an_answer_arrives_as_it_is() -> None:
    """The result, and nothing else, is an answer."""
    result = guard_messages.Returned(WarmupResult((), 0, ("a note",)))
    assert guard_messages.decode_answer(guard_messages.encode(result)) == result
    for line in (b"", b"1", b"{}", b"Segmentation fault", b"\xff"):
        with pytest.raises(ValueError):
            guard_messages.decode_answer(line)


def test_a_programs_arguments_are_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks and events name the program that asked for a run, not what it was given: that may be a secret."""
    monkeypatch.setattr("sys.argv", ["/srv/bin/worker", "--password", "hunter2"])
    assert functions._caller("warmup") == f"countercache.warmup() in process {os.getpid()}: worker"


def test_the_package_itself_imports_nothing() -> None:
    """It is loaded before `__main__`, which is the first that can tell what Ctrl-C means."""
    tree = ast.parse(Path(countercache.__file__).read_text(encoding="utf-8"))
    assert not [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
