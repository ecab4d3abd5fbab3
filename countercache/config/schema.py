"""What the classes of `settings` say of their keys: names and types, for those who read, check and document them. Pure.

A type is as an annotation has it: a class, a union, a `Literal`, a `tuple` or a `dict` of something.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Union, get_args, get_origin

import msgspec

from countercache.settings import Layout, Lookup, SourceSettings

# Set by the program, not by the file.
_NOT_KEYS = {"path"}


@cache
def fields(cls: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """The keys of a table, by name."""
    return {field.name: field for field in msgspec.structs.fields(cls) if field.name not in _NOT_KEYS}


def key_type(cls: type[msgspec.Struct], name: str, table: Mapping[str, object]) -> object:
    """The type of one key of a table; `table` is what else it says, since a source's `fields` depend on its layout."""
    if cls is SourceSettings and name == "fields":
        return tuple[str, ...] | dict[str, str] if table.get("layout") == Layout.WIDE else Lookup
    return fields(cls)[name].type


def members(type_: object) -> tuple[object, ...]:
    """What a key may be, `None` left out."""
    types = get_args(type_) if get_origin(type_) in {Union, UnionType} else (type_,)
    return tuple(member for member in types if member is not type(None))


def settings_class(type_: object) -> type[msgspec.Struct] | None:
    """The class of settings that a key's table is, if it is one."""
    return type_ if isinstance(type_, type) and issubclass(type_, msgspec.Struct) else None


def item_type(type_: object) -> object:
    """The type of what a table of names holds under each; `None` for what is no table of names."""
    return get_args(type_)[1] if get_origin(type_) is dict else None
