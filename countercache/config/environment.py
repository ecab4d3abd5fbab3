"""Settings from the environment: `COUNTERCACHE_…`, and `DATABASE_URL` and `REDIS_URL` where the file names no URL.

A setting's variable is its key in capitals, joined with `__`: `COUNTERCACHE_COUNTERS__TOTAL_DEBT__FORMULA` is
`counters.total-debt.formula`. Variables without `__` (but for `COUNTERCACHE_NAMESPACE`) are not settings: they are
options of the command line.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec

from countercache.config import schema
from countercache.config.document import Document, Key, dotted
from countercache.errors import ConfigError
from countercache.model.redaction import shown
from countercache.model.suggestions import fold, nearest_or_all
from countercache.settings import Settings

PREFIX = "COUNTERCACHE_"


def names_settings(environ: Mapping[str, str]) -> bool:
    """Whether any variable is a setting."""
    return any(map(_is_setting, environ))


def override(document: Document, environ: Mapping[str, str]) -> Document:
    """The document with each `COUNTERCACHE_…` setting in place of what the file says.

    Raises `ConfigError` for a variable that is no setting, naming the nearest, and for a list or table that is no TOML.
    """
    data = copy.deepcopy(document.data)
    variables: dict[Key, str] = {}
    for variable in sorted(filter(_is_setting, environ)):
        key = _key(variable, document.data)
        table: Any = data
        for part in key[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise ConfigError(f"environment {variable}: {dotted(key[:-1])} is no table in {document.path}")
        table[key[-1]] = _value(variable, environ[variable])
        variables[key] = variable
    return msgspec.structs.replace(document, data=data, variables=variables)


def fill_urls(document: Document, environ: Mapping[str, str]) -> Document:
    """The document with `REDIS_URL` and `DATABASE_URL` where it names no URL.

    Without a single `[databases.…]`, the one database that the sources and counters name gets `DATABASE_URL`; if they
    name several, the one called `main` does.
    """
    data = copy.deepcopy(document.data)
    variables = dict(document.variables)

    def fill(table: object, key: Key, variable: str) -> None:
        if isinstance(table, dict) and "url" not in table and environ.get(variable):
            table["url"] = environ[variable]
            variables[(*key, "url")] = variable

    fill(data.setdefault("redis", {}), ("redis",), "REDIS_URL")
    databases = data.setdefault("databases", {})
    if databases == {} and environ.get("DATABASE_URL") and (name := _only_database(data)):
        databases[name] = {}
    if isinstance(databases, dict):
        for name, table in databases.items():
            fill(table, ("databases", name), "DATABASE_URL")
    return msgspec.structs.replace(document, data=data, variables=variables)


def _is_setting(variable: str) -> bool:
    rest = variable.removeprefix(PREFIX)
    return rest != variable and ("__" in rest or rest == "NAMESPACE")


def _key(variable: str, data: Mapping[str, Any]) -> Key:
    """The key that a variable names, spelt as the file and the settings spell it."""
    type_: object = Settings
    node: object = data
    key: Key = ()
    for part in variable.removeprefix(PREFIX).split("__"):
        table = node if isinstance(node, dict) else {}
        cls = schema.settings_class(type_)
        if not part or (cls is None and schema.item_type(type_) is None):
            problem = f"{dotted(key)} has no keys of its own" if part else "one of its parts has no name"
            hint = "unset it, or give it the key of a setting, joined with __"
            raise ConfigError(f"environment {variable} is no setting: {problem}", hint=hint)
        names = list(schema.fields(cls) if cls else table)
        same = [name for name in names if fold(name) == fold(part)]
        if len(same) > 1:
            raise ConfigError(f"environment {variable} could be {' or '.join(map(shown, same))}", hint="rename one")
        if not same and names:
            problem = f"there is no {shown(part.lower())} in {dotted(key)}" if key else "there is no such table"
            raise ConfigError(f"environment {variable} is no setting: {problem}", hint=nearest_or_all(part, names))
        name = same[0] if same else part.lower()
        key = (*key, name)
        type_ = _table_type(schema.key_type(cls, name, table) if cls else schema.item_type(type_))
        node = table.get(name)
    return key


def _table_type(type_: object) -> object:
    """The member of a key's type that has keys of its own, if there is one."""
    members = schema.members(type_)
    tables = (member for member in members if schema.settings_class(member) or schema.item_type(member))
    return next(tables, None)


def _value(variable: str, text: str) -> object:
    """A variable's value: TOML if it begins as a list or a table, else the text as it is."""
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError as error:
        hint = 'write lists as ["a", "b"] and tables as {name = "value"}'
        raise ConfigError(f"environment {variable}: not a valid TOML value: {error}", hint=hint) from error


def _only_database(data: Mapping[str, Any]) -> str | None:
    """The database that `DATABASE_URL` stands for in a file without `databases`: the only one named, else `main`."""
    tables = [data.get(kind) for kind in ("sources", "counters")]
    items = [item for table in tables if isinstance(table, dict) for item in table.values() if isinstance(item, dict)]
    named = {item["database"] for item in items if isinstance(item.get("database"), str)}
    if len(named) == 1:
        return str(named.pop())
    return "main" if "main" in named or (not named and any("sql" in item for item in items)) else None
