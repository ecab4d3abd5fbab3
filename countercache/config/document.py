"""The configuration as it is written: finds and reads the file, and replaces variables in it.

A `Document` is plain data (tables, lists, texts, numbers) that knows where each value came from, so that an error about
it can name the file and key, or the environment's variable. `conversion` makes settings of it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from countercache.errors import ConfigError
from countercache.model.program import PROGRAM
from countercache.model.redaction import quoted

FILE_NAME = "countercache.toml"
Key = tuple[str, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
# A file's path that is not absolute; `:memory:` and SQLite's own `file:` URIs are no paths.
_RELATIVE = re.compile(r"((?:sqlite|duckdb)(?:\+\w+)?:///)(?!/|:memory:|file:)([^?]+)(\?.*)?")
_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")


class Document(msgspec.Struct, frozen=True):
    """Plain data with its origin.

    `path` is the file as it is shown to people (`None`: no file), `file` the same as an absolute path, and `variables`
    are the environment's, by the key that each one set.
    """

    data: dict[str, Any]
    path: Path | None = None
    file: Path | None = None
    variables: Mapping[Key, str] = {}

    def error(self, key: Key, message: str, *, hint: str = "") -> ConfigError:
        """An error about the value at `key`, naming where it came from."""
        return ConfigError(f"{self.origin(key)}: {message}", hint=hint)

    def origin(self, key: Key) -> str:
        """Where the value at `key` came from, for people: file and key, or the environment's variable."""
        for length in range(len(key), 0, -1):
            if variable := self.variables.get(key[:length]):
                return f"environment {variable}" if length == len(key) else f"environment {variable}: {dotted(key)}"
        return ": ".join(part for part in (str(self.path or "environment"), dotted(key)) if part)


def dotted(key: Iterable[str]) -> str:
    """A key as TOML writes it: parts that need quotes have them."""
    return ".".join(part if _BARE.fullmatch(part) else quoted(part) for part in key)


def find(path: Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """Find the configuration file: `path`, or `$COUNTERCACHE_CONFIG`, or the first of the usual places that exists.

    A usual place without permission is skipped. Raises `ConfigError` where the file that was named does not exist.
    """
    variable = environ.get("COUNTERCACHE_CONFIG")
    file = path or (Path(variable) if variable else None)
    if file is None:
        return next(filter(_is_file, usual_places(cwd)), None)
    try:
        exists = (cwd / file).exists()
    except OSError as error:  # no permission for a directory of the path
        problem = f"the configuration file {file} cannot be read: {error.strerror}"
        raise ConfigError(problem, hint="check its permissions") from error
    if not exists:
        hint = "check the path" if path else "check the variable COUNTERCACHE_CONFIG"
        raise ConfigError(f"the configuration file {file} does not exist", hint=hint)
    return file


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def usual_places(cwd: Path) -> Iterator[Path]:
    """Where a configuration is looked for when none is named; `platformdirs` is imported only for the later ones."""
    yield cwd / FILE_NAME
    import platformdirs  # noqa: PLC0415 - costs start-up time, and the first place usually has the file

    with suppress(RuntimeError):  # a user without a home
        yield platformdirs.user_config_path(PROGRAM) / FILE_NAME
    yield platformdirs.site_config_path(PROGRAM) / FILE_NAME


def read(path: Path, shown_as: Path | None = None) -> Document:
    """The file's data as written; errors show the file as `shown_as`.

    Raises `ConfigError` when it cannot be read, or is no TOML (with line and column).
    """
    label = shown_as or path
    try:
        return Document(tomllib.loads(path.read_text(encoding="utf-8-sig")), label, path.resolve())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{label}: not UTF-8 text at byte {error.start}", hint="save it as UTF-8") from error
    except (ValueError, RecursionError) as error:  # tomllib's own, a number of too many digits, endless brackets
        hint = "see https://toml.io for how it is written"
        raise ConfigError(f"{label}: not valid TOML: {error}", hint=hint) from error
    except OSError as error:
        raise ConfigError(
            f"{label}: cannot be read: {error.strerror}", hint="check the path and its permissions"
        ) from error


def expand(document: Document, environ: Mapping[str, str]) -> Document:
    """The document with `${NAME}` in its texts replaced by the environment's; `$${` stays as `${`.

    What a variable of its own has set is left as it came. Raises `ConfigError` for a name that is not set.
    """

    def walk(value: object, key: Key) -> object:
        if key in document.variables:
            return value
        if isinstance(value, dict):
            return {name: walk(item, (*key, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [walk(item, key) for item in value]
        return _REFERENCE.sub(partial(replacement, key), value) if isinstance(value, str) else value

    def replacement(key: Key, match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        if match[1] is None:
            hint = 'write ${NAME} for the environment\'s NAME, or "$${" for the characters themselves'
            raise document.error(key, 'found "${" without a name and "}"', hint=hint)
        if match[1] not in environ:
            raise document.error(key, f"the environment variable {match[1]} is not set", hint=f"set {match[1]}")
        return environ[match[1]]

    return msgspec.structs.replace(document, data=walk(document.data, ()))


def anchor(document: Document) -> Document:
    """The document with the relative paths in URLs of files beginning at the file itself, wherever a command is called.

    A URL that came from a variable is left as it is: its paths begin where the command is called.
    """
    databases = document.data.get("databases")
    if document.file is None or not isinstance(databases, dict):
        return document
    folder = document.file.parent

    def anchored(name: str, table: object) -> object:
        url = table.get("url") if isinstance(table, dict) else None
        if not isinstance(table, dict) or not isinstance(url, str) or ("databases", name, "url") in document.variables:
            return table
        match = _RELATIVE.fullmatch(url)
        return {**table, "url": f"{match[1]}{folder / match[2]}{match[3] or ''}"} if match else table

    tables = {name: anchored(name, table) for name, table in databases.items()}
    return msgspec.structs.replace(document, data={**document.data, "databases": tables})
