"""What a URL says of how to connect to MariaDB or MySQL, as arguments of the driver. Pure."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import URL

from countercache.errors import ConfigError

_TEXTS = ("unix_socket", "charset", "ssl_ca", "ssl_cert", "ssl_key", "ssl_key_password")
_FLAGS = ("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity")
_OTHER_NAMES = {"ssl_check_hostname": "ssl_verify_identity", "socket": "unix_socket"}
_TRUTH = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(("false", "0", "no", "off"), False)


def login(name: str, url: URL) -> dict[str, Any]:
    """The driver's arguments by name. Raises `ConfigError` for a parameter that there is not.

    Nothing else of a URL reaches the driver: what it can be told besides would undo limits, or read other files.
    """
    arguments: dict[str, Any] = {
        "user": url.username or "",
        "password": url.password or "",
        "host": url.host or "localhost",
        "port": url.port or 3306,
        "database": url.database or None,
        "charset": "utf8mb4",
    }
    for given, value in url.query.items():
        key = _OTHER_NAMES.get(given, given)
        text = value if isinstance(value, str) else value[-1]
        if key in _TEXTS:
            arguments[key] = text
        elif key not in _FLAGS:
            raise ConfigError(f"the url of database {name} has a parameter {given}, which there is not", hint=_HINT)
        elif text.lower() not in _TRUTH:
            hint = f"write {given}=true"
            raise ConfigError(f"the url of database {name}: {given} is neither true nor false", hint=hint)
        else:
            arguments[key] = _TRUTH[text.lower()]
    return arguments


_HINT = f"remove it; there are {', '.join((*_TEXTS, *_FLAGS))}"
