"""Locks that web frameworks keep in the same Redis: lists them, and clears them on explicit request.

Listing changes nothing, never uses KEYS, and takes a batch of keys at a time from the server. `frameworks` recognises
the locks. Their keys may contain any bytes, so they are read as bytes; `model.key_text` shows them and reads them back.
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
from countercache.foreign_locks.frameworks import CONFIGURED, LONGEST, KeyFilter, Recognised, Sample
from countercache.foreign_locks.globs import matcher
from countercache.model.key_text import meant, spelled
from countercache.model.results import ClearedForeign, ClearResult, ForeignLock, LocksResult
from countercache.model.states import Owner
from countercache.model.suggested_commands import NO_OPTIONS, Commands, clear_foreign
from countercache.store import redis_client
from countercache.store.keys import Keys
from countercache.store.redis_client import Store

UNRECOGNISED = "unrecognised"
"""The framework of a key that is not recognised as a lock."""

_BATCH = 500  # keys a SCAN, which takes the server about 0.2 ms
_KEYS_A_SCRIPT = 25  # which takes it about as long
_FIELDS = 32  # of a hash; one with more is not a lock
_VAGUE = 20_000  # keys that may be locks of Laravel, but usually are values of its cache
_CANDIDATES = 100_000
_PATIENCE = 30.0  # seconds
_NARROWER = "`--pattern` narrows the search"
# The keys of every namespace of ours.
_OURS = b"countercache:{"


def survey(store: Store, patterns: Sequence[str], *, glob: str | None = None, foreign: bool = True) -> LocksResult:
    """List our own locks and, unless `foreign` is off, those of the web stack, among the keys that match the glob.

    `patterns` are globs of keys that serve as locks in this web stack. One pass over the keys finds both; where it has
    to stop early, another pass finds our own. Changes nothing.
    """
    with redis_client.binary_client(store.client) as raw, store.translated_errors():
        search = _Search(raw, store.keys, KeyFilter(patterns), glob)
        foreign_locks = search.locks() if foreign else {}
        ours = search.ours if foreign and not search.stopped else search.own_keys()
    own = locks.list_locks(store, {key.decode(errors="backslashreplace") for key in ours})
    ordered = sorted(foreign_locks.values(), key=lambda lock: (lock.framework == CONFIGURED, lock.framework, lock.key))
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
        locks_by_key = {}
        for sample in self.samples():
            lock = self.key_filter.recognise(sample)
            if lock:
                locks_by_key[sample.key] = _lock(sample, lock)
        return locks_by_key

    def own_keys(self) -> list[bytes]:
        """The keys of our own locks, in a pass that does not stop early."""
        matches = matcher(self.glob).fullmatch
        return [key for key in self.raw.scan_iter(match=self.keys.locks, count=_BATCH) if matches(key)]

    def samples(self) -> Iterator[Sample]:
        """Samples of the keys that may be locks by their names."""
        names = self._names()
        while chunk := list(islice(names, _KEYS_A_SCRIPT)):
            for key, reply in zip(chunk, _inspect(self.raw, chunk), strict=True):
                if isinstance(reply, redis.ResponseError):
                    self.unread += 1
                    self.refusal = str(reply)
                elif reply:
                    yield _sample(key, reply, self.now)

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
        """What was not examined, a sentence each."""
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
    """Which locks to clear, by name, id or key (empty: all our own), and the options of `clear`."""

    names: tuple[str, ...] = ()
    force: bool = False
    foreign: bool = False
    dry_run: bool = False


def clear(
    store: Store, patterns: Sequence[str], request: ClearRequest, *, by: Owner, commands: Commands = NO_OPTIONS
) -> ClearResult:
    """Clear our own locks as `locks.clear` does, and locks of the web stack that are named by their exact key.

    The latter need both `foreign` and `force`, and are cleared only if they have not changed since they were read.
    Raises `UsageError` where `foreign` has no names.
    """
    if request.foreign and not request.names:
        raise UsageError(
            "--foreign clears only locks that are named", hint="give its exact key, as `locks list` shows it"
        )
    dry_run = request.dry_run
    own = locks.clear(store, request.names, force=request.force, by=by, dry_run=dry_run, commands=commands)
    if not own.unknown:
        return own
    with redis_client.binary_client(store.client) as raw, store.translated_errors():
        matches = {name: tuple(_candidates(raw, KeyFilter(patterns), name)) for name in own.unknown}
    cleared = []
    forced = request.force and request.foreign
    for candidates in matches.values():
        if len(candidates) > 1:
            cleared += [ClearedForeign(lock, cleared=False, why=_AMBIGUOUS) for lock in candidates]
        elif candidates:
            lock = candidates[0]
            cleared.append(clear_listed(store, lock, forced=forced, by=by, dry_run=dry_run, commands=commands))
    unknown = tuple(name for name, candidates in matches.items() if not candidates)
    return msgspec.structs.replace(own, unknown=unknown, foreign=tuple(cleared))


_AMBIGUOUS = "left: what was typed may mean this key or another one; `redis-cli` can delete the right one"


def clear_listed(
    store: Store,
    lock: ForeignLock,
    *,
    forced: bool,
    by: Owner,
    dry_run: bool = False,
    commands: Commands = NO_OPTIONS,
) -> ClearedForeign:
    """Delete one lock of the web stack, if its content still has the digest of `lock`."""
    if lock.framework == UNRECOGNISED:
        return ClearedForeign(lock, cleared=False, why=f"left: {lock.why}")
    if not forced:
        why = f"left: {lock.why}; `{commands.to_type(clear_foreign(lock.key))}` clears it all the same"
        return ClearedForeign(lock, cleared=False, why=why)
    if not lock.digest:
        why = f"left: a {lock.type} of this size cannot be compared with what was listed; `redis-cli` can delete it"
        return ClearedForeign(lock, cleared=False, why=why)
    if dry_run:
        return ClearedForeign(lock, cleared=True, why=f"would be cleared: {lock.why}")
    record = f"{lock.why}; it held {spelled(lock.preview, 60)} ({lock.digest}); cleared with: {by.command}"
    key_text = spelled(lock.key, 500)
    answer = store.run("remove", (lock.key, store.keys.events), lock.digest, key_text, by.name, record, store.keys.keep)
    why = {
        "cleared": f"cleared: {lock.why}",
        "missing": "it ended by itself meanwhile",
        "changed": f"left: it has changed since it was listed; `{commands.to_type('locks list')}` shows it",
    }[answer]
    return ClearedForeign(lock, cleared=answer != "changed", why=why)


def _candidates(raw: redis.Redis, key_filter: KeyFilter, name: str) -> Iterator[ForeignLock]:
    """The locks that a name on the command line may mean: a key as it is shown, or as it is."""
    spellings = list(dict.fromkeys((meant(name), name.encode(errors="surrogateescape"))))
    now = _now(raw)
    for key, reply in zip(spellings, _inspect(raw, spellings, "digest"), strict=True):
        if isinstance(reply, redis.ResponseError):
            raise reply
        if reply:
            sample = _sample(key, reply, now)
            recognised = None if key.startswith(_OURS) else key_filter.recognise(sample)
            yield _lock(sample, recognised or Recognised(UNRECOGNISED))


def _inspect(raw: redis.Redis, keys: Sequence[bytes], digest: str = "") -> Sequence[Any]:
    """The reply of the script `inspect_foreign` for each key, or the server's error for it."""
    text, sha = redis_client.script("inspect_foreign")

    def run(keys: Sequence[bytes]) -> Any:  # noqa: ANN401 - each script has a reply of its own
        args: Any = (len(keys), *keys, LONGEST, _FIELDS, digest)
        try:
            return raw.evalsha(sha, *args)
        except redis.exceptions.NoScriptError:
            return raw.eval(text, *args)

    try:
        return cast("list[Any]", run(keys))
    except redis.ResponseError as error:
        if len(keys) == 1:
            return [error]
        # One key that may not be read, or that is on another node of a cluster, fails the script for all.
        return [answer for key in keys for answer in _inspect(raw, [key], digest)]


def _sample(key: bytes, reply: Sequence[Any], now: float) -> Sample:
    type_, ttl, idle, size, parts, digest = reply
    return Sample(
        key=key,
        type=type_.decode(),
        ttl=ttl / 1000 if ttl >= 0 else None,
        idle=float(idle) if idle >= 0 else None,
        size=size,
        parts=tuple(parts),
        now=now,
        digest=digest.decode(),
    )


def _lock(sample: Sample, recognised: Recognised) -> ForeignLock:
    return ForeignLock(
        key=sample.key,
        framework=recognised.framework,
        type=sample.type,
        ttl=sample.ttl,
        age=None if recognised.taken is None else max(0.0, sample.now - recognised.taken),
        idle=sample.idle,
        size=sample.size,
        preview=_preview(sample.parts),
        why=_why(recognised.framework, endless=sample.ttl is None),
        digest=sample.digest,
    )


def _why(framework: str, *, endless: bool) -> str:
    """The explanation that is shown with a lock."""
    if framework == UNRECOGNISED:
        return "countercache does not recognise it as a lock; name it in `[locks] patterns` if it serves as one"
    lock = "a lock by `[locks] patterns`" if framework == CONFIGURED else f"a lock of {framework}"
    if endless:
        return f"{lock} that has no time to live: only its holder, or an operator, removes it"
    return f"{lock}; nothing in it tells whether its holder is alive"


def _preview(parts: Iterable[bytes]) -> bytes:
    """A string as it is, a hash as its fields and values."""
    texts = list(parts)
    if len(texts) < 2:
        return b"".join(texts)
    return b", ".join(field + b": " + value for field, value in zip(texts[::2], texts[1::2], strict=True))


def _now(raw: redis.Redis) -> float:
    second, microsecond = raw.time()
    return second + microsecond / 1e6
