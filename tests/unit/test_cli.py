"""Options in, result out: what is typed, what is wrong with it, and what a person is told then."""

from __future__ import annotations

import json
import os
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from countercache import cli, errors
from countercache.command_line.session import Session, entities, seconds
from countercache.config import loader
from countercache.errors import CountercacheError, RedisUnreachable, UsageError
from tests.unit.test_render import CELL_KEYS, CONTRACT, EVENT_KEYS

DOCS = Path(__file__).parents[2] / "docs"
SETTINGS = """
namespace = "site"
[redis]
url = "redis://:s3cret@db.example/0"
[databases.main]
url = "sqlite:///x.db"
[counters.total-debt]
name = "Total debt"
database = "main"
sql = "SELECT 1"
[counters.net-debt]
database = "main"
sql = "SELECT 1"
"""


@pytest.fixture(autouse=True)
def _configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory with a configuration, and nothing of ours in the environment."""
    for name in list(os.environ):
        if name.startswith(("COUNTERCACHE_", "REDIS_URL", "DATABASE_URL")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "countercache.toml").write_text(SETTINGS, encoding="utf-8")


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code of the command, what it wrote to stdout and what to stderr."""
    code = cli.main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wramup"], "No such command 'wramup'; did you mean 'warmup'?"),
        (["locks", "lst"], "No such command 'lst'; did you mean 'list'?"),
        (["warmup", "--timeuot", "3"], "No such option: --timeuot; did you mean --timeout?"),
        (["warmup", "--xyzzy"], "No such option: --xyzzy; see --help"),
        (["warmup", "--timeout"], "Option '--timeout' requires an argument; see --help"),
        (["warmup", "--due=x"], "Option '--due' does not take a value; see --help"),
        (["locks", "list", "x"], "Got unexpected extra argument(s) (x); see --help"),
        (["status", "total-dept"], "no counter is called 'total-dept'; did you mean \"total-debt\"?"),
        (["warmup", "total-dept"], "no counter is called 'total-dept'; did you mean \"total-debt\"?"),
        (["status", "--config", "none.toml"], "the configuration file none.toml does not exist; check the path"),
    ],
)
def test_what_is_typed_wrong_is_answered_with_the_nearest_right(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on stderr with the cure, nothing on stdout, exit 2."""
    assert said(capsys, *arguments) == (2, "", f"countercache: error: {message}\n")


@pytest.mark.parametrize("value", ["0", "-1", "-5m", "0s", "soon", "", "nan", "1e9d"])
@pytest.mark.parametrize("option", ["--timeout", "--wait"])
def test_a_time_limit_must_be_a_time(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--timeout 0` or a negative one is a mistake, never "for ever" and never "at once"; the option is named."""
    code, out, err = said(capsys, "warmup", option, value)
    assert (code, out) == (2, "")
    assert err.startswith(f"countercache: error: {option}: got ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("value", ["0", "-3", "1.5", "many", "", "²"])
def test_a_batch_is_a_number_of_entities_or_auto(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A batch of none would never end: exit 2, and what may be given."""
    code, _, err = said(capsys, "warmup", "--batch-size", value)
    assert code == 2
    assert 'give a number of entities above 0, or "auto"' in err


def test_limits_are_read_as_they_are_meant() -> None:
    """Durations with a unit are seconds, what is not given stays open, `auto` is itself."""
    assert seconds("--timeout", "1h30m") == 5400
    assert seconds("--timeout", "0.5") == 0.5
    assert seconds("--timeout", None) is None
    assert entities("--batch-size", "10") == 10
    assert entities("--batch-size", "auto") == "auto"
    assert entities("--batch-size", None) is None
    with pytest.raises(UsageError):
        entities("--batch-size", "ten")


@pytest.mark.parametrize("arguments", [[], ["locks"], ["config"], ["embedded"]])
def test_a_missing_command_is_answered_with_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The help goes to stderr and the exit code is 2: a crontab without its command is not silently well."""
    code, out, err = said(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: countercache")
    assert "Commands:" in err


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_that_was_asked_for_is_a_result(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It goes to stdout, exit 0."""
    code, out, err = said(capsys, "locks", "clear", option)
    assert (code, err) == (0, "")
    assert out.startswith("Usage: countercache locks clear")


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints one line for people and scripts."""
    code, out, _ = said(capsys, "--version")
    assert code == 0
    assert re.fullmatch(r"countercache [0-9]+\.[0-9]+\.[0-9]+\S*\n", out)


def every_command() -> Iterator[tuple[str, Any]]:
    """The path and the command, of all of them."""
    pending: list[tuple[str, Any]] = [("countercache", get_command(cli.app))]
    while pending:
        path, command = pending.pop()
        yield path, command
        if isinstance(command, TyperGroup):
            pending += [(f"{path} {name}", inner) for name, inner in command.commands.items()]


def test_every_command_has_help_with_an_example_and_every_flag_its_variable() -> None:
    """A command says in a line what it does, shows an example that begins with itself, and names its variables."""
    for path, command in every_command():
        first = command.help.split("\n")[0]
        assert len(first) < 120
        assert first.endswith(".")
        if isinstance(command, TyperGroup):
            continue
        assert command.epilog.startswith(f"Example: {path}")
        context = command.context_class(command, info_name=path, terminal_width=100, **command.context_settings)
        text = " ".join(command.get_help(context).split())
        for param in command.params:
            if param.param_type_name == "option":
                assert param.help
                shared = f"COUNTERCACHE_{param.name.upper()}"
                own = f"{path} {param.name}".upper().replace(" ", "_")
                assert f"env var: {own}]" in text or f"env var: {shared}]" in text


@pytest.mark.parametrize("width", [60, 80, 140])
def test_help_has_whole_words_and_sentences(width: int) -> None:
    """On a terminal of any usual width no word is cut in two, no sentence is cut short, and no line is too long."""
    for path, command in every_command():

        def shown(columns: int, path: str = path, command: Any = command) -> str:
            context = command.context_class(
                command, info_name=path, terminal_width=columns, max_content_width=columns, **command.context_settings
            )
            return str(command.get_help(context))

        assert shown(width).split() == shown(1000).split()
        assert "..." not in shown(width).replace("[ARGS]...", "").replace("]...", "")
        assert max(map(len, shown(width).splitlines())) <= width


def test_the_reference_says_what_the_commands_are() -> None:
    """docs/cli.md is what the app says of itself, with every exit code, every schema and every key of a document."""
    script = runpy.run_path(str(DOCS / "cli_reference.py"))
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert script["updated"](page) == page, "run: make docs"
    assert set(script["MEANINGS"]) == {name for name in vars(errors) if name.startswith("EXIT_")}
    for schema in (*CONTRACT, "error"):
        assert f"`countercache.{schema}/1`" in page
    for key in CELL_KEYS | EVENT_KEYS:
        assert f"`{key}`" in page


# --- the options that all commands share


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config", "other.toml", "config", "show"],
        ["-c", "other.toml", "config", "show"],
        ["config", "show", "--config", "other.toml"],
        ["config", "show", "-c", "other.toml"],
        ["--config", "countercache.toml", "config", "show", "-c", "other.toml"],
    ],
)
def test_the_configuration_may_be_named_before_and_after_the_command(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where both are given the nearer one to the command's own options wins."""
    (tmp_path / "other.toml").write_text(SETTINGS.replace('"site"', '"other"'), encoding="utf-8")
    code, out, _ = said(capsys, *arguments)
    assert code == 0
    assert 'namespace = "other"' in out


def test_the_command_line_wins_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """$COUNTERCACHE_CONFIG names the file, unless --config does, on either side of the command."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.toml").write_text(SETTINGS.replace('"site"', f'"{name}"'), encoding="utf-8")
    monkeypatch.setenv("COUNTERCACHE_CONFIG", "one.toml")
    assert 'namespace = "one"' in said(capsys, "config", "show")[1]
    assert 'namespace = "two"' in said(capsys, "-c", "two.toml", "config", "show")[1]
    assert 'namespace = "two"' in said(capsys, "config", "show", "-c", "two.toml")[1]


@pytest.mark.parametrize("arguments", [["--json", "config", "show"], ["config", "show", "--json"]])
def test_json_may_be_asked_for_before_and_after_the_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One document either way, the password masked."""
    code, out, err = said(capsys, *arguments)
    assert (code, err) == (0, "")
    assert json.loads(out)["schema"] == "countercache.config/1"
    assert "s3cret" not in out


def test_flags_can_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flag's variable takes yes and no in the usual words; anything else is a usage error that names it."""
    monkeypatch.setenv("COUNTERCACHE_JSON", "yes")
    assert said(capsys, "config", "show")[1].startswith("{")
    monkeypatch.setenv("COUNTERCACHE_JSON", "0")
    assert said(capsys, "config", "show")[1].startswith("#")
    monkeypatch.setenv("COUNTERCACHE_JSON", "perhaps")
    code, _, err = said(capsys, "config", "show")
    assert code == 2
    assert "COUNTERCACHE_JSON" in err
    monkeypatch.delenv("COUNTERCACHE_JSON")
    monkeypatch.setenv("COUNTERCACHE_WARMUP_TIMEOUT", "never")
    code, _, err = said(capsys, "warmup")
    assert code == 2
    assert '--timeout: got "never"' in err


# --- what is raised


@pytest.mark.parametrize("arguments", [["wramup", "--json"], ["--json", "status", "x"], ["status", "--json", "x"]])
def test_an_error_under_json_is_a_document_too(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Also for a mistake in the options themselves; the line for people is on stderr all the same."""
    code, out, err = said(capsys, *arguments)
    document = json.loads(out)
    assert document["schema"] == "countercache.error/1"
    assert document["exit_code"] == code == 2
    assert document["error"]["message"] in err


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Have `config show` raise this."""

    def load(*_: object) -> None:
        raise error

    monkeypatch.setattr(loader, "load", load)


def test_our_errors_end_with_their_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with message and hint, on one line whatever is in it, and the code of the error's class."""
    raising(monkeypatch, RedisUnreachable("Redis at\nredis://:s3cret@db does not answer", hint="start it"))
    line = r"countercache: error: Redis at\nredis://:***@db does not answer; start it"
    assert said(capsys, "config", "show") == (5, "", f"{line}\n")


def test_what_nobody_expected_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, exit 1, and how to see more; with --debug the traceback, and never a password."""
    raising(monkeypatch, KeyError("postgres://me:s3cret@db"))
    code, out, err = said(capsys, "config", "show")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "unexpected error: KeyError" in err
    assert "--debug" in err
    code, _, err = said(capsys, "config", "show", "--debug")
    assert code == 1
    assert "Traceback (most recent call last):" in err
    assert "s3cret" not in err


def test_ctrl_c_is_130_and_says_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Who pressed it knows."""
    raising(monkeypatch, KeyboardInterrupt())
    assert said(capsys, "config", "show") == (130, "", "")


def test_every_class_of_error_has_an_exit_code_of_the_table() -> None:
    """No error can end with a code that the documentation does not know."""
    codes = {code for name, code in vars(errors).items() if name.startswith("EXIT_")}
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, CountercacheError)]
    assert {each.exit_code for each in classes} <= codes - {0}


# --- completion


def complete(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str) -> list[str]:
    """What the shell is offered after this line."""
    words = line.split(" ")
    monkeypatch.setenv("_COUNTERCACHE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 0
    return capsys.readouterr().out.split()


def test_the_shell_completes_commands_options_and_counters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counter names come from the configuration, also from one that is named on the line."""
    assert complete(monkeypatch, capsys, "countercache wa") == ["warmup"]
    assert complete(monkeypatch, capsys, "countercache warmup --ok") == ["--ok-if-locked"]
    assert complete(monkeypatch, capsys, "countercache status to") == ["total-debt"]
    assert complete(monkeypatch, capsys, "countercache warmup ") == ["total-debt", "net-debt"]
    Path("other.toml").write_text("[counters.other]\n", encoding="utf-8")
    assert complete(monkeypatch, capsys, "countercache -c other.toml warmup o") == ["other"]


@pytest.mark.parametrize("text", ["not toml [", "counters = 3", "[counters]\nx = 3\n"])
def test_completion_never_fails(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a configuration that cannot be read nothing is offered, and nothing is written into the line being typed."""
    (tmp_path / "countercache.toml").write_text(text, encoding="utf-8")
    assert complete(monkeypatch, capsys, "countercache status ") == []


def test_the_command_line_is_recorded_as_it_was_typed() -> None:
    """What a lock says of its holder can be typed again."""
    assert Session(["warmup", "a b", "--timeout=5m"]).typed == "countercache warmup 'a b' --timeout=5m"
