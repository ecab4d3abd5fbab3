"""Totals for web sites: computed from the stack's own database under a guard, kept in Redis, never stuck.

What `__all__` names is public (docs/python-api.md); the modules are not. Each name is loaded when it is first used, so
that the command line, which imports this package too, loads no more than it needs.
"""

# Nothing is imported here, not even `typing`: Ctrl-C is only ours once `__main__` runs, which comes after this. (Type
# checkers know the name.)
TYPE_CHECKING = False
if TYPE_CHECKING:
    from countercache.api.functions import clear_locks, list_locks, load_settings, status, warmup
    from countercache.errors import (
        ConfigError,
        CountercacheError,
        FormulaError,
        RedisError,
        RedisUnreachable,
        UsageError,
    )
    from countercache.model.results import (
        CellView,
        ClearedForeign,
        ClearedLock,
        ClearResult,
        CounterOutcome,
        ForeignLock,
        JobOutcome,
        LocksResult,
        LockView,
        RunView,
        Skip,
        StatusResult,
        WarmupResult,
    )
    from countercache.model.states import (
        Cell,
        CellId,
        Coverage,
        Failure,
        Lock,
        Owner,
        Progress,
        Reason,
        State,
        Verdict,
    )
    from countercache.settings import Settings

    __version__: str

__all__ = [
    "Cell",
    "CellId",
    "CellView",
    "ClearResult",
    "ClearedForeign",
    "ClearedLock",
    "ConfigError",
    "CounterOutcome",
    "CountercacheError",
    "Coverage",
    "Failure",
    "ForeignLock",
    "FormulaError",
    "JobOutcome",
    "Lock",
    "LockView",
    "LocksResult",
    "Owner",
    "Progress",
    "Reason",
    "RedisError",
    "RedisUnreachable",
    "RunView",
    "Settings",
    "Skip",
    "State",
    "StatusResult",
    "UsageError",
    "Verdict",
    "WarmupResult",
    "__version__",
    "clear_locks",
    "list_locks",
    "load_settings",
    "status",
    "warmup",
]

# Where the names are, what is quick to load first.
_MODULES = ("errors", "settings", "model.states", "model.results", "api.functions")


if not TYPE_CHECKING:  # a type checker that saw it would take any name for one of ours

    def __getattr__(name: str) -> object:
        """A public name, on its first use."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = _version() if name == "__version__" else _load(name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """The public names, and what is loaded."""
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - slow to load

    return version(__name__)


def _load(name: str) -> object:
    from importlib import import_module  # noqa: PLC0415

    modules = (import_module(f"{__name__}.{module}") for module in _MODULES)
    return next(getattr(module, name) for module in modules if hasattr(module, name))
