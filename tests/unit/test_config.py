"""The settings: what may be written, where it may come from, and one line that names file and key for all else."""

from __future__ import annotations

import re
import runpy
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countercache.config import conversion, document, environment, loader, validation
from countercache.config.document import Document
from countercache.errors import ConfigError
from countercache.run.value_formatting import display
from countercache.settings import Format, Layout, Lookup, Over, Settings
from tests.rights import closed_directory

DOCS = Path(__file__).parents[2] / "docs"

BASE = """
namespace = "site"
[databases.main]
url = "postgresql://u:secret-word@h/db"
[sources.figures]
database = "main"
table = "figure"
entity = "council_id"
field = "field_id"
period = "year_id"
value = "value"
entities = { table = "council", name = "slug" }
[sources.wide]
database = "main"
layout = "wide"
table = "budget"
entity = "council"
period = "year"
fields = ["housing", "total-roads"]
[groups.england]
source = "figures"
where = "country = 'England'"
[groups.wide-some]
source = "wide"
entities = ["leeds"]
[counters.total-debt]
source = "figures"
formula = "current-liabilities + long-term-liabilities"
groups = ["all", "england"]
periods = ["latest", "2018/19"]
[counters.signups]
sql = "SELECT count(*) FROM users"
timeout = "20s"
"""


def load(
    folder: Path, text: str | None, environ: Mapping[str, str] | None = None, *, path: Path | None = None
) -> Settings:
    """Load what a `countercache.toml` in `folder` says, found as a command there finds it."""
    if text is not None:
        (folder / "countercache.toml").write_text(text)
    return loader.load(path, environ or {}, cwd=folder)


def message(folder: Path, text: str | None, environ: Mapping[str, str] | None = None) -> str:
    """The error that loading ends in, which is one printable line whatever is wrong."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text, environ)
    line = str(caught.value)
    assert line.isprintable()
    assert "secret-word" not in line
    assert caught.value.exit_code == 2
    return line


def edited(old: str, new: str) -> str:
    """The base configuration with one thing changed."""
    assert BASE.count(old) == 1, old
    return BASE.replace(old, new)


def test_a_file_becomes_typed_settings(tmp_path: Path) -> None:
    """Proves what each kind of key becomes, and what is filled in: names, and an SQL counter's period and database."""
    settings = load(tmp_path, BASE)
    assert settings.namespace == "site"
    assert settings.path == tmp_path / "countercache.toml"
    assert settings.agent.timeout == 900.0
    assert settings.redis.url == "embedded"
    assert settings.sources["figures"].entities == Lookup(table="council", key="id", name="slug")
    assert settings.sources["wide"].layout is Layout.WIDE
    assert settings.sources["wide"].fields == ("housing", "total-roads")
    total, signups = settings.counters["total-debt"], settings.counters["signups"]
    assert (total.name, total.over, total.format) == ("total-debt", Over.TOTALS, Format())
    assert (signups.database, signups.groups, signups.periods, signups.timeout) == ("main", ("all",), ("all",), 20.0)
    assert settings.database_of("total-debt") == settings.database_of("signups") == "main"
    assert settings.publish is None


def test_wide_fields_may_be_a_table_of_columns(tmp_path: Path) -> None:
    """Proves that a field's name may differ from its column's."""
    text = edited('fields = ["housing", "total-roads"]', 'fields = { housing = "Housing £", roads = "rd" }')
    assert load(tmp_path, text).sources["wide"].fields == {"housing": "Housing £", "roads": "rd"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[sources.figures]", "[sorces.x]\n[sources.figures]", 'sorces: unknown key; did you mean "sources"?'),
        ('table = "figure"', 'tabel = "f"', 'sources.figures.tabel: unknown key; did you mean "table"?'),
        (
            'name = "slug" }',
            'nam = "slug" }',
            'sources.figures.entities.nam: unknown key; did you mean "name"?',
        ),
        ('table = "figure"', "", 'sources.figures: "table" is missing; add it'),
        ('url = "postgresql', 'lock_timeout = "1s" #', 'databases.main: "url" is missing; add it, or set DATABASE_URL'),
        ('table = "figure"', "table = 5", "sources.figures.table: expected a text, got 5"),
        (
            'groups = ["all", "england"]',
            'groups = "all"',
            'counters.total-debt.groups: expected a list of texts such as ["a", "b"], got "all"',
        ),
        (
            'periods = ["latest", "2018/19"]',
            "periods = [2018]",
            'counters.total-debt.periods: expected a list of texts such as ["a", "b"] or "each", got [2018]',
        ),
        (
            'layout = "wide"',
            'layout = "broad"',
            'sources.wide.layout: expected one of "long", "wide", got "broad"',
        ),
        ('timeout = "20s"', "compare = 5", "counters.signups.compare: expected true or false, got 5"),
        ('timeout = "20s"', 'timeout = "soon"', 'counters.signups.timeout: got "soon"; give a duration such as'),
        ('timeout = "20s"', "timeout = 0", "counters.signups.timeout: got 0; give a duration of more than zero"),
        ('timeout = "20s"', 'timeout = "-5s"', 'counters.signups.timeout: got "-5s"; give a duration of more than'),
        ('timeout = "20s"', 'timeout = "redis://:secret-word\\"@h"', 'signups.timeout: got "redis://:***@h"; give a'),
        ('timeout = "20s"', 'periods = ["redis://:secret-word@h", 5]', 'or "each", got ["redis://:***@h", 5]'),
        ("[databases.main]", "[agent]\nbatch_size = 0\n[databases.main]", "agent.batch_size: got 0; give the entities"),
        (
            "[databases.main]",
            '[agent]\nbatch_size = "few"\n[databases.main]',
            'agent.batch_size: expected a whole number or "auto", got "few"',
        ),
        ("[databases.main]", "[breaker]\nfailures = 0\n[databases.main]", "breaker.failures: got 0"),
        ("[databases.main]", "[breaker]\nfactor = 11\n[databases.main]", "breaker.factor: got 11"),
        ("[databases.main]", '[breaker]\nmax = "59s"\n[databases.main]', "breaker.max: 59s is less than"),
        ("[databases.main]", "[events]\nkeep = 0\n[databases.main]", "events.keep: got 0"),
        ("[databases.main]", '[agent]\nlease = "0.5s"\n[databases.main]', "agent.lease: a lease of 0.5 seconds is too"),
        (
            "[databases.main]",
            '[redis]\nurl = "http://h"\n[databases.main]',
            "redis.url: not a Redis URL: it begins with",
        ),
        ("postgresql://u", "u", 'databases.main.url: not a database URL: it has no "://"'),
        ("[sources.figures]", "sources.a = 5\n[sources.figures]", "databases.main.sources: unknown key"),
        ('field = "field_id"', "", 'sources.figures: "field" is missing, which the long layout needs'),
        ('name = "slug" }', 'order = "slug" }', "sources.figures.entities.order: only periods have an order"),
        ('layout = "wide"', 'layout = "wide"\nvalue = "v"', "sources.wide.value: makes no sense in the wide layout"),
        ('fields = ["housing", "total-roads"]', "fields = []", "sources.wide.fields: is empty"),
        (
            'fields = ["housing", "total-roads"]',
            'fields = ["a", "a"]',
            'sources.wide.fields: "a" is named twice',
        ),
        (
            'database = "main"\ntable',
            'database = "mian"\ntable',
            'sources.figures.database: there is no database "mian"; did you mean "main"?',
        ),
        (
            'source = "figures"\nwhere',
            'source = "figure"\nwhere',
            'groups.england.source: there is no source "figure"; did you mean "figures"?',
        ),
        ("[groups.england]", "[groups.all]", 'groups.all: the group name "all" is taken'),
        ("where = \"country = 'England'\"", "", 'groups.england: has neither "where" nor "entities"'),
        ('entities = ["leeds"]', 'entities = ["a"]\nwhere = "b"', 'groups.wide-some: has both "where" and "entities"'),
        ('entities = ["leeds"]', "entities = []", "groups.wide-some.entities: is empty"),
        (
            '"all", "england"',
            '"all", "englnd"',
            'counters.total-debt.groups: there is no group "englnd"; did you mean "england"?',
        ),
        (
            '"all", "england"',
            '"all", "wide-some"',
            'counters.total-debt.groups: the group "wide-some" is of another source',
        ),
        ('"all", "england"', '"all", "all"', 'counters.total-debt.groups: "all" is named twice'),
        ('"latest", "2018/19"', '"latest", "latest"', 'counters.total-debt.periods: "latest" is named twice'),
        ('"latest", "2018/19"', '"latest", "each"', 'counters.total-debt.periods: "each" is no period of a list'),
        ('["latest", "2018/19"]', "[]", "counters.total-debt.periods: is empty"),
        ('formula = "current-', 'x = "current-', "counters.total-debt.x: unknown key"),
        (
            'formula = "current-liabilities + long-term-liabilities"',
            'formula = "a +"',
            "counters.total-debt.formula: the formula ends where",
        ),
        (
            'formula = "current-liabilities + long-term-liabilities"',
            "",
            'counters.total-debt: "formula" is missing; give "source" and "formula", or',
        ),
        (
            'source = "figures"\nformula = "current-liabilities + long-term-liabilities"',
            "",
            'counters.total-debt: has neither "formula" nor "sql"',
        ),
        ('timeout = "20s"', 'groups = ["all"]', "counters.signups.groups: makes no sense for a counter by SQL"),
        ('timeout = "20s"', "compare = true", "counters.signups.compare: makes no sense for a counter by SQL"),
        ('timeout = "20s"', 'formula = "a"', "counters.signups.formula: makes no sense for a counter by SQL"),
        ('"SELECT count(*) FROM users"', '" "', "counters.signups.sql: is empty"),
        (
            "[sources.figures]",
            '[databases.other]\nurl = "sqlite://"\n[sources.figures]',
            'counters.signups: "database" is missing; there is "main", "other"',
        ),
        ('"2018/19"]', '"2018/19"]\ntimeout = "3s"', "counters.total-debt.timeout: is only for a counter by SQL"),
        (
            '"2018/19"]',
            '"2018/19"]\naggregate = "avg"',
            'counters.total-debt.aggregate: has no meaning over = "totals"; set over = "entities" or remove it',
        ),
        (
            'timeout = "20s"',
            'format = { currency = "pounds" }',
            'counters.signups.format.currency: got "pounds"; give the three capitals',
        ),
        ('timeout = "20s"', "format = { precision = 21 }", "counters.signups.format.precision: got 21; give a number"),
        (
            'timeout = "20s"',
            'format = { locale = "english" }',
            'counters.signups.format.locale: there is no locale "english"',
        ),
        (
            'timeout = "20s"',
            'format = { currency = "GBP", percent = true }',
            "counters.signups.format: a value cannot be a currency and a percentage",
        ),
        ('namespace = "site"', 'namespace = "a{b}"', 'namespace: the namespace "a{b}" holds "{"'),
        ('namespace = "site"', 'namespace = " "', "namespace: the name is empty"),
        ("[counters.signups]", '[counters."a\\u001bb"]', 'counters."a\\u001bb": the name holds the control character'),
        ('timeout = "20s"', '[publish]\nkey = "{counter}:{grp}"', "publish.key: unknown placeholder {grp}"),
        ('timeout = "20s"', '[publish]\nkey = "x:{group}:{period}"', "gives several counters one key; add {counter}"),
        ('timeout = "20s"', '[publish]\nkey = "{counter"', 'publish.key: "{counter"'),
        ('timeout = "20s"', '[publish]\nkey = "{counter!r}"', "publish.key: unknown placeholder {counter}"),
        (
            'timeout = "20s"',
            '[publish]\nkey = "{counter}:{period}"',
            (
                'two cells on one key "total-debt:latest": total-debt / all / latest and total-debt / england / '
                "latest; add {group}"
            ),
        ),
        (
            'timeout = "20s"',
            '[publish]\nkey = "countercache:{{site}}:{counter}:{group}:{period}"',
            "is a key of countercache's own",
        ),
        ('timeout = "20s"', '[publish]\nttl = "soon"\nkey="{counter}"', 'or "2d", or "never"'),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """Proves that each mistake gives one line with the file, the key, what came, what is right and the nearest name."""
    line = message(tmp_path, edited(old, new))
    assert line.startswith("countercache.toml: ")
    assert expected in line


def test_each_period_needs_a_place_in_the_key(tmp_path: Path) -> None:
    """Proves that periods that are not known yet cannot share a published key."""
    text = edited('["latest", "2018/19"]', '"each"') + '[publish]\nkey = "{counter}:{group}"'
    assert "gives several periods one key; add {period}" in message(tmp_path, text)


def test_names_of_a_wide_source_are_checked(tmp_path: Path) -> None:
    """Proves that a name that is neither a listed column nor a counter is found without the database."""
    counter = '[counters.c]\nsource = "wide"\nformula = "{}"\n[counters.d]\nsource = "wide"\nformula = "c / housing"'
    assert load(tmp_path, BASE + counter.format("housing + total-roads")).counters["d"].formula == "c / housing"
    line = message(tmp_path, BASE + counter.format("housing + total-road"))
    assert 'counters.c.formula: there is no field or counter "total-road"; did you mean "total-roads"?' in line
    assert "put spaces around the minus" in message(tmp_path, BASE + counter.format("housing-total-roads"))
    assert 'no field or counter "total-debt"' in message(tmp_path, BASE + counter.format("total-debt"))


def test_no_toml(tmp_path: Path) -> None:
    """Proves that a syntax error gives its line and column, and other bytes their place."""
    assert re.match(r"countercache.toml: not valid TOML: .*line 1, column 13", message(tmp_path, "namespace = \n"))
    assert "not valid TOML" in message(tmp_path, f"x = {'1' * 5000}")
    assert "not valid TOML" in message(tmp_path, f"x = {'[' * 5000}")
    (tmp_path / "countercache.toml").write_bytes(b'namespace = "\xff"')
    assert "not UTF-8 text at byte 13" in message(tmp_path, None)


def test_where_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves the order: the path given, the variable, the current directory, the user's, the system's."""
    user, site, here = tmp_path / "user", tmp_path / "site", tmp_path / "here"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(user))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(site))
    here.mkdir()
    assert re.search("no configuration: looked for .*here/countercache.toml, .*user.*, .*site", message(here, None))
    for folder in (site, user):
        (folder / "countercache").mkdir(parents=True)
        (folder / "countercache" / "countercache.toml").write_text(f'namespace = "{folder.name}"')
        assert load(here, None).namespace == folder.name
    assert load(here, 'namespace = "here"').namespace == "here"
    (tmp_path / "other.toml").write_text('namespace = "other"')
    variable = {"COUNTERCACHE_CONFIG": str(tmp_path / "other.toml")}
    assert load(here, None, variable).namespace == "other"
    assert load(here, None, variable, path=here / "countercache.toml").namespace == "here"


def test_a_named_file_that_is_not_there(tmp_path: Path) -> None:
    """Proves that the file that was named is used or complained of, never another."""
    (tmp_path / "countercache.toml").write_text(BASE)
    with pytest.raises(ConfigError, match=r"nowhere.toml does not exist; check the path$"):
        load(tmp_path, None, path=Path("nowhere.toml"))
    assert "x.toml does not exist; check the variable COUNTERCACHE_CONFIG" in message(
        tmp_path, None, {"COUNTERCACHE_CONFIG": "x.toml"}
    )
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, None, path=tmp_path)


def test_a_directory_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that a usual place behind it is passed over, and that a file that was named there is complained of."""
    usual = list(document.usual_places(tmp_path))  # platformdirs is loaded while that is allowed
    assert usual[0] == tmp_path / "countercache.toml"
    with closed_directory() as closed:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(closed))
        monkeypatch.setenv("XDG_CONFIG_DIRS", str(closed))
        assert "no configuration: looked for" in message(closed, None)
        with pytest.raises(
            ConfigError, match=r"x\.toml cannot be read: Permission denied; check its permissions$"
        ) as caught:
            load(closed.parent, None, path=closed / "x.toml")
        assert caught.value.exit_code == 2
        assert "Permission denied" in message(closed.parent, None, {"COUNTERCACHE_CONFIG": "closed/x.toml"})
    assert "cannot be read: File name too long" in message(tmp_path, None, {"COUNTERCACHE_CONFIG": "x" * 300})


def test_a_working_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that an absolute path is all that is needed, and that its lack is one line."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path))
    file = tmp_path / "given.toml"
    file.write_text('namespace = "given"')
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert loader.load(file, {}).namespace == "given"
    assert loader.load(None, {"COUNTERCACHE_CONFIG": str(file)}).path == file
    assert loader.load(None, {"COUNTERCACHE_NAMESPACE": "variable"}).namespace == "variable"
    with pytest.raises(ConfigError, match=r"given\.toml does not exist"):
        loader.load(Path("given.toml"), {})
    with pytest.raises(ConfigError, match="there is no configuration"):
        loader.load(None, {})
    file.write_text("nonsense = 1")
    with pytest.raises(ConfigError, match=f"^{file}: "):
        loader.load(file, {})


def test_variables_in_texts(tmp_path: Path) -> None:
    """Proves `${NAME}` in any text, `$${` for the characters themselves, and errors that name key and variable."""
    text = edited("u:secret-word@h", "u:${PASSWORD}@h").replace("count(*)", "'$${X}'")
    settings = load(tmp_path, text, {"PASSWORD": "p${Y}w"})
    assert settings.databases["main"].url == "postgresql://u:p${Y}w@h/db"
    assert settings.counters["signups"].sql == "SELECT '${X}' FROM users"
    line = message(tmp_path, text)
    assert line == ("countercache.toml: databases.main.url: the environment variable PASSWORD is not set; set PASSWORD")
    assert 'found "${" without a name' in message(tmp_path, edited("secret-word", "${a b}"))


def test_every_setting_from_the_environment(tmp_path: Path) -> None:
    """Proves the variables of settings: names are matched as the file spells them, lists and tables are TOML."""
    settings = load(
        tmp_path,
        BASE,
        {
            "COUNTERCACHE_NAMESPACE": "env",
            "COUNTERCACHE_AGENT__BATCH_SIZE": "10",
            "COUNTERCACHE_AGENT__TIMEOUT": "5s",
            "COUNTERCACHE_COUNTERS__TOTAL_DEBT__FORMULA": "a",
            "COUNTERCACHE_COUNTERS__TOTAL_DEBT__COMPARE": "true",
            "COUNTERCACHE_COUNTERS__TOTAL_DEBT__GROUPS": '["all"]',
            "COUNTERCACHE_COUNTERS__TOTAL_DEBT__FORMAT__PRECISION": "2",
            "COUNTERCACHE_COUNTERS__SIGNUPS__FORMAT": '{currency = "GBP"}',
            "COUNTERCACHE_SOURCES__FIGURES__ENTITIES__KEY": "pk",
            "COUNTERCACHE_DATABASES__MAIN__URL": "sqlite:///x",
            "COUNTERCACHE_PUBLISH__TTL": "never",
            "COUNTERCACHE_WARMUP_TIMEOUT": "not a setting",
            "COUNTERCACHE_STATE_DIR": "nor this",
        },
    )
    assert settings.namespace == "env"
    assert (settings.agent.batch_size, settings.agent.timeout) == (10, 5.0)
    total = settings.counters["total-debt"]
    assert (total.formula, total.compare, total.groups, total.format.precision) == ("a", True, ("all",), 2)
    assert settings.counters["signups"].format.currency == "GBP"
    assert settings.sources["figures"].entities == Lookup(table="council", key="pk", name="slug")
    assert settings.databases["main"].url == "sqlite:///x"
    assert settings.publish is not None
    assert settings.publish.ttl is None


def test_settings_of_the_environment_alone(tmp_path: Path) -> None:
    """Proves that a container without a file can be configured, and that a file's tables take no new names so."""
    environ = {
        "COUNTERCACHE_DATABASES__MAIN__URL": "sqlite:///x",
        "COUNTERCACHE_DATABASES__MAIN__LOCK_TIMEOUT": "1s",
        "COUNTERCACHE_COUNTERS__SIGNUPS__SQL": "SELECT 1",
    }
    settings = load(tmp_path, None, environ)
    assert settings.path is None
    assert settings.databases["main"].lock_timeout == 1.0
    assert settings.counters["signups"].sql == "SELECT 1"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        (
            "COUNTERCACHE_COUNTERS__TOTL_DEBT__FORMULA",
            "a",
            'is no setting: there is no "totl_debt" in counters; did you mean "total-debt"?',
        ),
        ("COUNTERCACHE_AGENT__TIMOUT", "5s", 'is no setting: there is no "timout" in agent; did you mean "timeout"?'),
        ("COUNTERCACHE_AGNT__TIMEOUT", "5s", 'is no setting: there is no such table; did you mean "agent"?'),
        ("COUNTERCACHE_AGENT__TIMEOUT__X", "5s", "is no setting: agent.timeout has no keys of its own"),
        ("COUNTERCACHE_AGENT__", "5s", "is no setting: one of its parts has no name"),
        ("COUNTERCACHE_AGENT__TIMEOUT", "soon", ': got "soon"; give a duration'),
        ("COUNTERCACHE_AGENT", "x", None),
        ("COUNTERCACHE_AGENT__BATCH_SIZE", "few", 'expected a whole number or "auto", got "few"'),
        ("COUNTERCACHE_COUNTERS__TOTAL_DEBT__GROUPS", '["all"', "not a valid TOML value"),
        ("COUNTERCACHE_COUNTERS__TOTAL_DEBT__GROUPS", '["al"]', 'there is no group "al"'),
        ("COUNTERCACHE_GROUPS__WIDE_SOME__ENTITIES__X", "5", "groups.wide-some.entities has no keys of its own"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, variable: str, value: str, expected: str | None) -> None:
    """Proves that an unknown variable, and a bad value in one, is an error that names the variable and the cure."""
    if expected is None:
        assert load(tmp_path, BASE, {variable: value}).namespace == "site"
    else:
        line = message(tmp_path, BASE, {variable: value})
        assert line.startswith(f"environment {variable}")
        assert expected in line


def test_names_that_only_a_variable_confuses(tmp_path: Path) -> None:
    """Proves that a variable that could be two names of the file is refused."""
    text = BASE + '[counters.total_debt]\nsql = "SELECT 1"'
    line = message(tmp_path, text, {"COUNTERCACHE_COUNTERS__TOTAL_DEBT__NAME": "x"})
    assert 'could be "total-debt" or "total_debt"' in line


def test_the_stacks_own_urls(tmp_path: Path) -> None:
    """Proves that DATABASE_URL and REDIS_URL are used where the file names no URL, and only there."""
    environ = {"DATABASE_URL": "postgres://d/b", "REDIS_URL": "redis://r"}
    assert load(tmp_path, BASE, environ).databases["main"].url.startswith("postgresql://u:")
    assert load(tmp_path, BASE, environ).redis.url == "redis://r"
    assert load(tmp_path, BASE + '[redis]\nurl = "unix:///s"', environ).redis.url == "unix:///s"
    without_url = edited('url = "postgresql://u:secret-word@h/db"', 'lock_timeout = "1s"')
    assert load(tmp_path, without_url, environ).databases["main"].url == "postgres://d/b"
    without_table = edited('[databases.main]\nurl = "postgresql://u:secret-word@h/db"', "")
    assert load(tmp_path, without_table, environ).databases["main"].url == "postgres://d/b"
    assert "add [databases.main] with its url, or set DATABASE_URL" in message(tmp_path, without_table)
    renamed = without_table.replace('database = "main"', 'database = "site"')
    assert list(load(tmp_path, renamed, environ).databases) == ["site"]
    only_sql = '[counters.signups]\nsql = "SELECT 1"'
    assert load(tmp_path, only_sql, environ).database_of("signups") == "main"
    assert "set DATABASE_URL" in message(tmp_path, only_sql)
    assert "environment REDIS_URL" in message(tmp_path, BASE, {"REDIS_URL": "localhost:secret-word"})


def test_a_relative_path_of_sqlite_begins_at_the_file(tmp_path: Path) -> None:
    """Proves that cron, which calls from elsewhere, opens the same database."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "c.toml").write_text('[databases.a]\nurl = "sqlite:///x.db?mode=ro"\n[databases.b]\nurl = "sqlite://"')
    settings = load(tmp_path, None, path=Path("etc/c.toml"))
    assert settings.databases["a"].url == f"sqlite:///{folder}/x.db?mode=ro"
    assert settings.databases["b"].url == "sqlite://"


def test_show_hides_secrets(tmp_path: Path) -> None:
    """Proves that what is shown is plain data, durations as text, without a password, and loads again."""
    text = BASE + '[redis]\nurl = "rediss://:secret-word@h?ssl_password=secret-word"\n[agent]\ntimeout = "90m"'
    shown = loader.show(load(tmp_path, text))
    assert "secret-word" not in repr(shown)
    assert shown["redis"] == {"url": "rediss://:***@h?ssl_password=***"}
    assert shown["agent"] == {"timeout": "1h30m", "lease": "30s", "batch_size": "auto"}
    assert shown["path"] == str(tmp_path / "countercache.toml")


@pytest.mark.parametrize("locale", ["en_GB", "de", "zh_CN", "sr_Latn_RS", "es_419", "en_US_POSIX"])
def test_a_locale_that_babel_knows(tmp_path: Path, locale: str) -> None:
    """Proves that what is accepted as a locale can format a value."""
    text = edited('timeout = "20s"', f'format = {{ locale = "{locale}" }}')
    style = load(tmp_path, text).counters["signups"].format
    assert display(Decimal(5), style)


@pytest.mark.parametrize("locale", ["en_ZZ", "xx", "EN_gb", "en-GB", "../en", "en_", "", "zh_QQ"])
def test_a_locale_that_babel_does_not_know(tmp_path: Path, locale: str) -> None:
    """Proves that a locale that would fail at the end of a run fails before it."""
    text = edited('timeout = "20s"', f'format = {{ locale = "{locale}" }}')
    assert f'there is no locale "{locale}"; give a language' in message(tmp_path, text)


def documentation() -> str:
    """The page that describes the configuration."""
    return (DOCS / "configuration.md").read_text(encoding="utf-8")


def test_the_reference_says_what_the_settings_are() -> None:
    """Proves that no key, default or variable of the documentation differs from the program's."""
    script = runpy.run_path(str(DOCS / "reference.py"))
    assert script["updated"](documentation()) == documentation(), "run: make docs"


def test_every_key_is_explained() -> None:
    """Proves that each key of each table has its sentence."""
    for line, following in pairwise(documentation().splitlines()):
        if line.startswith("- **`"):
            assert following.startswith("  "), line
            assert following.strip(), line


def test_the_documentation_can_be_followed(tmp_path: Path) -> None:
    """Proves that the examples of the page, one after the other, are a configuration that loads."""
    examples = re.findall(r"```toml\n(.*?)```", documentation(), re.DOTALL)
    assert len(examples) >= 6
    settings = load(tmp_path, "\n".join(examples), {"REDIS_URL": "redis://h", "DATABASE_PASSWORD": "secret-word"})
    assert set(settings.counters) == {"total-debt", "debt-per-head", "roads", "signups"}
    assert set(settings.groups) == {"england", "unitary"}


def places(data: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key in the data, tables included, and in every table one that it does not have."""
    for key, value in data.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))
    yield (*above, "un\nknown")


WORDS = ["wide", "long", "main", "figures", "a", "all", "each", "a + b", "{counter}", "sqlite://x", "15m", "never", ""]
VALUES = st.recursive(
    st.sampled_from(WORDS) | st.text(max_size=6) | st.integers() | st.floats() | st.booleans() | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["table", "key", "url", "source", "\x1b"]), inner, max_size=3)
    ),
)
PLACES = st.sampled_from(sorted(places(tomllib.loads(BASE))))


@given(st.dictionaries(PLACES, VALUES, min_size=1, max_size=3))
def test_whatever_is_written_is_settings_or_one_line(changes: dict[tuple[str, ...], object]) -> None:
    """Proves that any value in any place gives settings that can be shown, or one error with one line."""
    data = tomllib.loads(BASE)
    for key, value in changes.items():
        table: Any = data
        for part in key[:-1]:
            table = table.get(part) if isinstance(table, dict) else None
        if isinstance(table, dict):
            table[key[-1]] = value
    written = Document(data, Path("countercache.toml"))
    try:
        settings = conversion.settings_of(environment.fill_urls(written, {"DATABASE_URL": "sqlite://"}))
        validation.check(settings, written)
    except ConfigError as error:
        assert str(error).isprintable()
        return
    assert isinstance(loader.show(settings)["namespace"], str)
