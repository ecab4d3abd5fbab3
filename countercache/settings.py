"""The settings as typed, frozen values: one class a table of `countercache.toml`, one field a key.

`config` loads and checks them; everything else only reads them. Durations are seconds as `float` here and strings such
as "15m" in the file. The docstring of a class and the comment above a field are what `docs/configuration.md` says of
them: `docs/reference.py` puts them there.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

EMBEDDED = "embedded"

# Seconds; in the file also "15m" and the like.
Duration = Annotated[float, "duration"]

# A share of one; in the file "50%".
Percent = Annotated[Decimal, "percent"]


class Base(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all tables share: frozen, and an unknown key is an error."""


class RedisSettings(Base, frozen=True, kw_only=True):
    """Where results and locks are kept."""

    # `redis://`, `rediss://` (TLS) or `unix://`, or `embedded`: the bundled Valkey, started when first needed. Without
    # it `REDIS_URL` is used, if that is set.
    url: str = EMBEDDED


class AgentSettings(Base, frozen=True, kw_only=True):
    """The limits of a run."""

    # How long the job of one database may take in all. At the deadline it is stopped; what it has completed is kept.
    timeout: Duration = 900.0
    # How long a lock outlives a run that died. It is renewed three times in that; at least `1s`.
    lease: Duration = 30.0
    # How many entities each query covers. `auto`: all at once where that is quick, else parts of up to a few seconds.
    batch_size: int | Literal["auto"] = "auto"


class DatabaseSettings(Base, frozen=True, kw_only=True):
    """A database to read from. `NAME` is what sources and counters call it, and the name of its job's lock."""

    # As SQLAlchemy or web stacks write it: `postgresql://`, `postgres://`, `mysql://`, `clickhouse://`, `sqlite:///`,
    # `duckdb:///`… Without it `DATABASE_URL` is used, if that is set. A relative path of a file begins at the
    # configuration file.
    url: str
    # How long a query waits for a lock that another session holds on a table.
    lock_timeout: Duration = 10.0
    # How long connecting may take.
    connect_timeout: Duration = 2.0


class Lookup(Base, frozen=True, kw_only=True):
    """A table that gives the keys in a source's column their names, and the periods their order."""

    # The table's name, written as a source's.
    table: str
    # Its column that the source's column points to.
    key: str = "id"
    # Its column that holds the name.
    name: str = "name"
    # Its column that periods are sorted by (without it: by name); a row without an order comes first. Only for periods.
    order: str | None = None
    # A condition in SQL over the table: only rows that meet it count. It is for a table that has a key
    # more than once, such as one of translations: `"language = 'en'"`.
    where: str | None = None


if TYPE_CHECKING:
    Fields = Lookup | tuple[str, ...] | dict[str, str]
else:
    # msgspec knows no union of two kinds of table; `config` converts this one by the layout.
    Fields = Any


class Layout(StrEnum):
    """`long`: one row a figure. `wide`: one numeric column a field."""

    LONG = "long"
    WIDE = "wide"


class Rejected(StrEnum):
    """What becomes of a value that is no number: it fails the cells it belongs to, or is left out and counted."""

    FAIL = "fail"
    SKIP = "skip"


class Numbers(Base, frozen=True, kw_only=True):
    """How texts spell numbers. What is stored as a number is not touched by it."""

    # The character between groups of digits: `","` reads `1,234,567`.
    thousands: str | None = None
    # The character before the decimals.
    decimal: str = "."
    # A text that may stand before the number, such as `"£"`.
    prefix: str = ""
    # A text that may stand after it, such as `"%"`. The number is not divided by anything.
    suffix: str = ""
    # Texts that are no value, such as `"n/a"`, `"-"` and `""`, as if `NULL` stood there.
    null: tuple[str, ...] = ()
    # `parentheses`: `(12)` is -12, beside `-12`.
    negative: Literal["sign", "parentheses"] = "sign"


class SourceSettings(Base, frozen=True, kw_only=True):
    """Where figures live."""

    # The name of a `[databases.NAME]`.
    database: str
    # `long`: one row a figure. `wide`: one row an entity and period, one numeric column a field.
    layout: Layout = Layout.LONG
    # The table or view. With its schema: `schema.table`; a part that holds a dot itself goes in quotes: `"a.b".c`.
    table: str
    # The column that says whose figure it is.
    entity: str
    # The column that says of which period. Without it the source has one period, `all`.
    period: str | None = None
    # The column that says which field. Only, and always, in the long layout.
    field: str | None = None
    # The column that holds the figure. Only, and always, in the long layout.
    value: str | None = None
    # Where the entities' names are; without it the column itself holds them. A group's `where` is about this table.
    entities: Lookup | None = None
    # Where the periods' names and order are; without it the column itself holds them, and sorts them.
    periods: Lookup | None = None
    # Only on ClickHouse: leave out rows that are to be replaced by newer ones of the same key, as `FINAL` does.
    final: bool = False
    # In the long layout: where the fields' names are; without it the column itself holds them. In the wide layout: the
    # columns that are fields, as a list, or as a table from a field's name to its column; without it every numeric
    # column but the entity's and the period's.
    fields: Fields | None = None
    # How the source's texts spell numbers.
    numbers: Numbers | None = None
    # The same for single fields, by their names, in place of `numbers`.
    field_numbers: dict[str, Numbers] = {}
    # What becomes of a value that is no number: it fails every cell that it belongs to, or is left out and counted.
    rejected: Rejected = Rejected.FAIL
    # A period is the latest only if each field of a counter has at least this share of the figures that it had in
    # either of the two periods before.
    min_coverage: Percent = Decimal("0.5")


class GroupSettings(Base, frozen=True, kw_only=True):
    """A part of a source's entities: give `where`, `entities` or `group_by`. The group `all` is always there."""

    # The name of a `[sources.NAME]`.
    source: str
    # A condition in SQL over the source's table of entities; without one, over the source's own table, where one
    # row for which it holds is enough.
    where: str | None = None
    # The names of its members.
    entities: tuple[str, ...] | None = None
    # A column of the table that `where` is about: each value that it has becomes a group of that name.
    group_by: str | None = None


class Format(Base, frozen=True, kw_only=True):
    """How a value is shown to people: its `display_value`. Half is rounded away from zero, and `-0` is never shown.

    Separators, signs and units are those that Unicode's CLDR has for the locale, with Western digits. A web browser may
    show a value differently for three reasons: numbers of four digits are grouped here in all languages, also in
    Spanish, Italian, Polish and others that do without; compact amounts have their currency where other amounts have
    it, also where CLDR lists another form; and the browser may have another version of CLDR.
    """

    # The ISO 4217 code of its currency, such as `GBP`.
    currency: str | None = None
    # The value is a ratio: 0.25 is shown as 25%. Its change from the period before is in percentage points.
    percent: bool = False
    # `compact` shows 126,848,813,000 as 126.8B.
    notation: Literal["standard", "compact"] = "standard"
    # Decimals, from 0 to 20, also where they are zeros: with 1, £105.0B beside £15.2B. Without it: at most one if
    # `compact` (£105B beside £15.2B), else as many as the currency has, else as many as are needed, at most six.
    precision: int | None = None
    # The language and country whose custom is followed, such as `en_GB`.
    locale: str = "en_US"


class Over(StrEnum):
    """`totals`: a name in the formula is the field's total. `entities`: the formula is computed for each entity."""

    TOTALS = "totals"
    ENTITIES = "entities"


class Aggregate(StrEnum):
    """How the entities' results are combined."""

    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    COUNT = "count"


class Missing(StrEnum):
    """What becomes of an entity that lacks a field: left out, counted as zero, or it fails the counter."""

    SKIP = "skip"
    ZERO = "zero"
    FAIL = "fail"


class CounterSettings(Base, frozen=True, kw_only=True):
    """A number to compute and keep: a `formula` over a `source`, or one query, `sql`, of a `database`.

    A counter by SQL has one cell, of the group `all` and the period `all`.
    """

    # What people call it; without it, `NAME`.
    name: str = ""
    # The name of a `[sources.NAME]`. With `formula`.
    source: str | None = None
    # `+ - * /`, parentheses, numbers, and names of fields or of other counters of the source. Subtraction needs spaces,
    # `a - b`, since names may hold hyphens; a name with other characters goes in double quotes.
    formula: str | None = None
    # The name of a `[databases.NAME]`. With `sql`; may be left out where there is only one database.
    database: str | None = None
    # A query that returns one row of one numeric column. It cannot write.
    sql: str | None = None
    # What a name in the formula is: the field's total over the group and period (`totals`, so a ratio is one of sums),
    # or each entity's own (`entities`), the results of which `aggregate` combines.
    over: Over = Over.TOTALS
    # How the entities' results are combined. Only with `over = "entities"`.
    aggregate: Aggregate = Aggregate.SUM
    # What becomes of an entity that lacks a field: left out, counted as zero, or the counter fails. Over totals, where
    # a field that nobody has reported in a group and period leaves no value, `zero` counts it as 0.
    missing: Missing = Missing.SKIP
    # A list of periods' names; `latest` is the newest that has figures, `all` sums all of them. Or `"each"`: a cell for
    # each period there is.
    periods: tuple[str, ...] | Literal["each"] = ("latest",)
    # Names of `[groups.NAME]` of the same source, and `all`: a cell for each.
    groups: tuple[str, ...] = ("all",)
    # Also keep the total of the period before, and the change from it: in percent, or for a `format` with `percent` in
    # percentage points.
    compare: bool = False
    # After this the value counts as stale, and `warmup --due` computes it again. Without it, or with `never`: it does
    # not.
    fresh_for: Duration | None = None
    # How long the query may take, within the run's own limit. Only with `sql`.
    timeout: Duration | None = None
    # What becomes of a value that is no number; without it as the source has it.
    rejected: Rejected | None = None
    # How much must be reported for a period to be the latest; without it as the source has it.
    min_coverage: Percent | None = None
    # Only entities that have figures of all its fields count, in all of them. Only over totals.
    complete: bool = False
    # A new value that differs from the stored one by more is held back until `countercache accept` or a run with
    # `--accept`. Without it: none is.
    max_change: Percent | None = None
    # How it is shown.
    format: Format = Format()


class PublishSettings(Base, frozen=True, kw_only=True):
    """The plain keys that a web stack GETs. Without this table there are none."""

    # The key's pattern. `{counter}` must be in it, and what else keeps two cells from sharing a key.
    # Keys under an earlier pattern are not removed: they stay until their `ttl` is over.
    key: str = "counter_total:{counter}:{group}:{period}"
    # `plain`: the number alone. `json`: an object that also has its display text, period, change and time.
    encoding: Literal["plain", "json"] = "plain"
    # How long a key stays that is not written again. `never`: for good.
    ttl: Duration | None = 86400.0


class BreakerSettings(Base, frozen=True, kw_only=True):
    """When a counter that keeps failing is left alone for a while. `countercache warmup --force` tries it at once."""

    # After so many failed attempts in a row it is not tried again until its next attempt. An attempt that failed of the
    # configuration is not counted: the next one is the first of the corrected one.
    failures: int = 5
    # How long that is at first. Each wait is up to a fifth shorter than set, so that hosts do not all come at once.
    wait: Duration = 60.0
    # How many times longer each further wait is than the one before, from 1 to 10.
    factor: int = 2
    # No wait is longer.
    max: Duration = 3600.0


class EventsSettings(Base, frozen=True, kw_only=True):
    """The log of what runs and operators did, which `countercache events` shows."""

    # How many events are kept, at least; up to about a hundred more may be.
    keep: int = 1000


class LocksSettings(Base, frozen=True, kw_only=True):
    """What `countercache locks` takes for a lock of the web stack, besides those whose framework it knows."""

    # Keys that serve as locks in your stack, such as `"site:*:running"`: `*` is any text, `?` one byte, `[ab]` one of
    # some. Those of redis-py, redlock and Redisson are found without it if `lock` or `mutex` is in their name.
    patterns: tuple[str, ...] = ()


class Settings(Base, frozen=True, kw_only=True):
    """The whole configuration, checked: every name that one part gives of another exists.

    `path` is the file it came from (`None`: nothing but the environment).
    """

    # Keeps this configuration's keys in Redis apart from those of others: `countercache:{NAMESPACE}:…`.
    namespace: str = "default"
    redis: RedisSettings = RedisSettings()
    agent: AgentSettings = AgentSettings()
    databases: dict[str, DatabaseSettings] = {}
    sources: dict[str, SourceSettings] = {}
    groups: dict[str, GroupSettings] = {}
    counters: dict[str, CounterSettings] = {}
    publish: PublishSettings | None = None
    breaker: BreakerSettings = BreakerSettings()
    events: EventsSettings = EventsSettings()
    locks: LocksSettings = LocksSettings()
    path: Path | None = None

    def database_of(self, counter: str) -> str:
        """The name of the database that a counter is computed from."""
        settings = self.counters[counter]
        if settings.source is not None:
            return self.sources[settings.source].database
        return settings.database or ""
