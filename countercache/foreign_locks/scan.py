"""Locks that the frameworks of the web stack keep in Redis beside ours: found and shown, cleared on an explicit word.

Finding them changes nothing, never uses KEYS, and asks the server for no more than a batch of keys at a time. They are
told by `frameworks`. Their keys may hold any bytes, so they are read as bytes; what a person sees and types of them is
`model.key_text`'s affair.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, cast

import msgspec
import redis

from countercache import locks
from countercache.errors import UsageError
from countercache.foreign_locks.frameworks import CONFIGURED, LONGEST, Found, KeyFilter, Sample
from countercache.foreign_locks.globs import matcher
from countercache.model.key_text import meant, spelled
from countercache.model.results import ClearedForeign, ClearResult, ForeignLock, LocksResult
from countercache.model.states import Owner
from countercache.model.suggested_commands import NO_OPTIONS, Commands, clear_foreign
from countercache.store import redis_client
from countercache.store.keys import Keys
from countercache.store.redis_client import Store

UNRECOGNISED = "unrecognised"
"""What stands for the framework of a key that is no lock as far as can be told."""

_BATCH = 500  # keys a SCAN: about 0.2 ms of the time of the server
_LOOKS = 25  # keys a script: about as long
_FIELDS = 32  # of a hash; one with more is no lock
_VAGUE = 20_000  # keys that may be locks of Laravel, but are values of its cache as a rule
_CANDIDATES = 100_000
_PATIENCE = 30.0  # seconds
_NARROWER = "`--pattern` narrows the search"
# The keys of every namespace of ours.
_OURS = b"countercache:{"


def survey(store: Store, patterns: Sequence[str], *, glob: str | None = None, foreign: bool = True) -> LocksResult:
    """Our locks, and unless `foreign` is off those of the web stack: of the keys that the glob has (none given: all).

    `patterns` are globs of keys that serve as locks in this stack. Both are found in one pass over the keys, ours in a
    pass of their own where that one had to be broken off. Changes nothing.
    """
    with redis_client.binary(store.client) as raw, store.wrapped():
        search = _Search(raw, store.keys, KeyFilter(patterns), glob)
        others = search.locks() if foreign else {}
        ours = search.ours if foreign and not search.stopped else search.own_keys()
    own = locks.list_locks(store, {key.decode(errors="backslashreplace") for key in ours})
    ordered = sorted(others.values(), key=lambda lock: (lock.framework == CONFIGURED, lock.framework, lock.key))
    return msgspec.structs.replace(own, foreign=tuple(ordered), notes=tuple(search.notes()))


class _Search:
    """One pass over the keys of the server."""

    def __init__(self, raw: redis.Redis, keys: Keys, key_filter: KeyFilter, glob: str | None) -> None:
        self.raw = raw
        self.keys = keys
        self.key_filter = key_filter
        self.glob = b"*" if glob is None else glob.encode(errors="surrogateescape")
        self.now = _now(raw)
        self.ours: list[bytes] = []
        self.plain = self.vague = self.unread = 0
        self.refusal = ""
        self.stopped = False

    def locks(self) -> dict[bytes, ForeignLock]:
        """The locks of the web stack."""
        found = {}
        for sample in self.samples():
            lock = self.key_filter.recognise(sample)
            if lock:
                found[sample.key] = _lock(sample, lock)
        return found

    def own_keys(self) -> list[bytes]:
        """The keys of our own locks, in a pass that is not broken off."""
        wanted = matcher(self.glob).fullmatch
        return [key for key in self.raw.scan_iter(match=self.keys.locks, count=_BATCH) if wanted(key)]

    def samples(self) -> Iterator[Sample]:
        """What is read of the keys that may be locks by their names."""
        names = self._names()
        while some := list(islice(names, _LOOKS)):
            for key, seen in zip(some, _inspect(self.raw, some), strict=True):
                if isinstance(seen, redis.ResponseError):
                    self.unread += 1
                    self.refusal = str(seen)
                elif seen:
                    yield _sample(key, seen, self.now)

    def _names(self) -> Iterator[bytes]:
        end = time.monotonic() + _PATIENCE
        own = self.keys.lock("").encode()
        cursor = 0
        while not self.stopped:
            cursor, batch = cast("Any", self.raw.scan(cursor, match=self.glob, count=_BATCH))
            for key, vague in self.key_filter.candidates(batch):
                self.vague += vague
                self.plain += not vague
                if key.startswith(_OURS):
                    self.ours += [key] if key.startswith(own) else []
                elif self.vague <= _VAGUE if vague else self.plain <= _CANDIDATES:
                    yield key
            if not cursor:
                return
            self.stopped = time.monotonic() > end

    def notes(self) -> Iterator[str]:
        """What was not looked at, a sentence each."""
        if self.stopped:
            yield f"the search for locks of the web stack was stopped after {_PATIENCE:g} s; {_NARROWER}"
        if self.plain > _CANDIDATES:
            yield f"{self.plain} keys are named like locks; only {_CANDIDATES} were looked at; {_NARROWER}"
        if self.vague > _VAGUE:
            what = "keys of Laravel's cache, any of which might be a lock"
            yield f"there are {self.vague} {what}; only {_VAGUE} were looked at; {_NARROWER}"
        if self.unread:
            what = "1 key that may be a lock" if self.unread == 1 else f"{self.unread} keys that may be locks"
            yield f"{what} could not be read: {self.refusal}"


class ClearRequest(msgspec.Struct, frozen=True):
    """Which locks to clear, by name, id or key (none: all of ours), and on what terms; see `clear`."""

    names: tuple[str, ...] = ()
    force: bool = False
    foreign: bool = False
    dry_run: bool = False


def clear(
    store: Store, patterns: Sequence[str], request: ClearRequest, *, by: Owner, commands: Commands = NO_OPTIONS
) -> ClearResult:
    """Clears our own locks as `locks.clear` does, and those of the web stack that are named by their exact key.

    The latter only with both `foreign` and `force`, each only if it is still what was seen here. Raises `UsageError`
    where `foreign` has no names.
    """
    if request.foreign and not request.names:
        raise UsageError(
            "--foreign clears no lock that is not named", hint="give its exact key, as `locks list` shows it"
        )
    dry_run = request.dry_run
    own = locks.clear(store, request.names, force=request.force, by=by, dry_run=dry_run, commands=commands)
    if not own.unknown:
        return own
    with redis_client.binary(store.client) as raw, store.wrapped():
        matches = {name: tuple(_seen(raw, KeyFilter(patterns), name)) for name in own.unknown}
    cleared = []
    insisted = request.force and request.foreign
    for candidates in matches.values():
        if len(candidates) > 1:
            cleared += [ClearedForeign(lock, cleared=False, why=_AMBIGUOUS) for lock in candidates]
        elif candidates:
            lock = candidates[0]
            cleared.append(clear_listed(store, lock, insisted=insisted, by=by, dry_run=dry_run, commands=commands))
    unknown = tuple(name for name, candidates in matches.items() if not candidates)
    return msgspec.structs.replace(own, unknown=unknown, foreign=tuple(cleared))


_AMBIGUOUS = "left: what was typed may mean this key or another one; `redis-cli` can delete the right one"


def clear_listed(
    store: Store,
    lock: ForeignLock,
    *,
    insisted: bool,
    by: Owner,
    dry_run: bool = False,
    commands: Commands = NO_OPTIONS,
) -> ClearedForeign:
    """Deletes one lock of the web stack, if what is in it is still what `lock` shows (with its digest)."""
    if lock.framework == UNRECOGNISED:
        return ClearedForeign(lock, cleared=False, why=f"left: {lock.why}")
    if not insisted:
        why = f"left: {lock.why}; `{commands.to_type(clear_foreign(lock.key))}` clears it all the same"
        return ClearedForeign(lock, cleared=False, why=why)
    if not lock.digest:
        why = f"left: a {lock.type} of this size cannot be compared with what was listed; `redis-cli` can delete it"
        return ClearedForeign(lock, cleared=False, why=why)
    if dry_run:
        return ClearedForeign(lock, cleared=True, why=f"would be cleared: {lock.why}")
    record = f"{lock.why}; it held {spelled(lock.preview, 60)} ({lock.digest}); cleared with: {by.command}"
    shown = spelled(lock.key, 500)
    answer = store.run("remove", (lock.key, store.keys.events), lock.digest, shown, by.name, record, store.keys.keep)
    why = {
        "cleared": f"cleared: {lock.why}",
        "missing": "it ended by itself meanwhile",
        "changed": f"left: it has changed since it was listed; `{commands.to_type('locks list')}` shows it",
    }[answer]
    return ClearedForeign(lock, cleared=answer != "changed", why=why)


def _seen(raw: redis.Redis, key_filter: KeyFilter, name: str) -> Iterator[ForeignLock]:
    """What is there under a name as it was typed: a key, spelled as it is shown or as it is."""
    spellings = list(dict.fromkeys((meant(name), name.encode(errors="surrogateescape"))))
    now = _now(raw)
    for key, seen in zip(spellings, _inspect(raw, spellings, "digest"), strict=True):
        if isinstance(seen, redis.ResponseError):
            raise seen
        if seen:
            sample = _sample(key, seen, now)
            found = None if key.startswith(_OURS) else key_filter.recognise(sample)
            yield _lock(sample, found or Found(UNRECOGNISED))


def _inspect(raw: redis.Redis, keys: Sequence[bytes], digest: str = "") -> Sequence[Any]:
    """What the script `inspect_foreign` says of each key, or the error that the server gave for it."""
    text, sha = redis_client.script("inspect_foreign")

    def ask(some: Sequence[bytes]) -> Any:  # noqa: ANN401 - what a script returns is its own affair
        given: Any = (len(some), *some, LONGEST, _FIELDS, digest)
        try:
            return raw.evalsha(sha, *given)
        except redis.exceptions.NoScriptError:
            return raw.eval(text, *given)

    try:
        return cast("list[Any]", ask(keys))
    except redis.ResponseError as error:
        if len(keys) == 1:
            return [error]
        # One that must not be read, or that a cluster keeps elsewhere, has spoiled it for all.
        return [answer for key in keys for answer in _inspect(raw, [key], digest)]


def _sample(key: bytes, seen: Sequence[Any], now: float) -> Sample:
    kind, ttl, idle, size, parts, digest = seen
    return Sample(
        key=key,
        type=kind.decode(),
        ttl=ttl / 1000 if ttl >= 0 else None,
        idle=float(idle) if idle >= 0 else None,
        size=size,
        parts=tuple(parts),
        now=now,
        digest=digest.decode(),
    )


def _lock(sample: Sample, found: Found) -> ForeignLock:
    return ForeignLock(
        key=sample.key,
        framework=found.framework,
        type=sample.type,
        ttl=sample.ttl,
        age=None if found.taken is None else max(0.0, sample.now - found.taken),
        idle=sample.idle,
        size=sample.size,
        preview=_preview(sample.parts),
        why=_why(found.framework, endless=sample.ttl is None),
        digest=sample.digest,
    )


def _why(framework: str, *, endless: bool) -> str:
    """What is known of it, for people."""
    if framework == UNRECOGNISED:
        return "it is no lock that countercache can recognise; name it in `[locks] patterns` if it serves as one"
    whose = "a lock by `[locks] patterns`" if framework == CONFIGURED else f"a lock of {framework}"
    if endless:
        return f"{whose} that has no time to live: only its holder, or somebody by hand, removes it"
    return f"{whose}; nothing in it tells whether its holder lives"


def _preview(parts: Iterable[bytes]) -> bytes:
    """A text as it is, a hash as its fields and values."""
    each = list(parts)
    if len(each) < 2:
        return b"".join(each)
    return b", ".join(field + b": " + value for field, value in zip(each[::2], each[1::2], strict=True))


def _now(raw: redis.Redis) -> float:
    second, microsecond = raw.time()
    return second + microsecond / 1e6
