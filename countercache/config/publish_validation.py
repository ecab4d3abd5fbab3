"""What must hold of `[publish]`: its placeholders exist, and no two cells share a key. Pure."""

from __future__ import annotations

import string

from countercache.config.document import Document
from countercache.model.redaction import shown
from countercache.model.states import EACH
from countercache.settings import PublishSettings, Settings

_PLACEHOLDERS = ("counter", "group", "period")


def check_publish(settings: Settings, publish: PublishSettings, document: Document) -> None:
    """Check the template of the plain keys. Raises `ConfigError` for what is wrong in it."""
    key = ("publish", "key")
    used = _placeholders(publish.key, document)
    counters = settings.counters.values()
    needed = {"counter"} | {"period" for counter in counters if counter.periods == EACH}
    by_value = {name for name, group in settings.groups.items() if group.group_by is not None}
    needed |= {"group" for counter in counters if by_value.intersection(counter.groups)}
    for placeholder in sorted(needed - used):
        problem = f"{shown(publish.key)} gives several {placeholder}s one key"
        raise document.error(key, problem, hint=f"add {{{placeholder}}}")
    _no_shared_key(settings, publish, document)


def _placeholders(template: str, document: Document) -> set[str]:
    """The placeholders of a key; raises for one that is none of ours and for a brace that is not closed."""
    key = ("publish", "key")
    hint = f"the placeholders are {', '.join(f'{{{name}}}' for name in _PLACEHOLDERS)}"
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise document.error(key, f"{shown(template)}: {error}", hint=hint) from error
    used = set()
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if name not in _PLACEHOLDERS or spec or conversion:
            raise document.error(key, f"unknown placeholder {{{name}}}", hint=hint)
        used.add(name)
    return used


def _no_shared_key(settings: Settings, publish: PublishSettings, document: Document) -> None:
    """No two cells on one key, and none on a key of our own."""
    key = ("publish", "key")
    cells: dict[str, str] = {}
    for name, counter in settings.counters.items():
        for group in counter.groups:
            for period in [EACH] if counter.periods == EACH else counter.periods:
                cell = f"{name} / {group} / {period}"
                target = publish.key.format(counter=name, group=group, period=period)
                if target in cells:
                    hint = f"add {_lacking(publish.key)}"
                    raise document.error(
                        key, f"two cells on one key {shown(target)}: {cells[target]} and {cell}", hint=hint
                    )
                if target.startswith(f"countercache:{{{settings.namespace}}}:"):
                    raise document.error(
                        key, f"{shown(target)} is a key of countercache's own", hint="use another prefix"
                    )
                cells[target] = cell


def _lacking(template: str) -> str:
    lacking = [f"{{{name}}}" for name in _PLACEHOLDERS if f"{{{name}}}" not in template]
    return " or ".join(lacking) or "separators between the placeholders"
