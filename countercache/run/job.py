"""One job of a run: what its worker reports becomes cells in Redis, under its lease, and its end becomes an outcome.

A `Job` is a `SupervisedJob`. What the worker finished waits in `_pending` until a tick has written it: all that came at
once goes in one write, and what Redis did not take is tried again until the lease's own time is over, and no longer: a
holder that cannot renew counts its lease from before it asked for it, and stops by itself.
"""

from __future__ import annotations

import math
import random
import shlex
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import msgspec

from countercache import locks
from countercache.errors import (
    EXIT_LOCKED,
    EXIT_OK,
    CountercacheError,
    LockHeld,
    LockLost,
    RedisError,
    RedisUnreachable,
)
from countercache.model.circuit_breaker import backoff
from countercache.model.definition import Definitions
from countercache.model.durations import duration_text, rough_text
from countercache.model.percent import percent_text
from countercache.model.results import CellView, CounterOutcome, JobOutcome
from countercache.model.states import (
    Category,
    CellId,
    Computed,
    Event,
    Failure,
    Level,
    Owner,
    Progress,
    Reason,
    configured_cells,
    storable,
)
from countercache.model.suggested_commands import NO_OPTIONS, Commands
from countercache.model.wording import count
from countercache.run.outcome import job_exit_code, run_ended
from countercache.run.redis_cooldown import RETRY, RedisCooldown
from countercache.run.supervisor import Ending, Worker
from countercache.run.value_formatting import display
from countercache.settings import CounterSettings, Settings
from countercache.store import cell_store, event_log
from countercache.store.lease import Lease
from countercache.store.publishing import Claims, published
from countercache.store.redis_client import Store
from countercache.store.vanished_cells import outdated_keys, vanished
from countercache.worker.protocol import COMPUTE, Ended, Finished, Progressed, StartCommand, decode_report, encode

POLL = 0.25
"""Seconds between two attempts at a lock that is waited for."""

SLACK = 0.1
"""Seconds before the deadline within which a lease that is over is not lost: it never goes beyond the deadline."""

PROGRESS = 1.0
"""Seconds at least between two renewals that only tell others that the job does something else by now."""


class Task(msgspec.Struct, frozen=True):
    """What one job is to do, and within which limits (seconds). `accept`: no value is held back."""

    database: str
    counters: tuple[str, ...]
    timeout: float
    wait: float
    batch_size: int | str
    accept: bool = False


class Base(msgspec.Struct, frozen=True):
    """What the jobs of a run share: where the results go, who the run is, the cells that Redis has already (`known` of
    all counters, `labels` of the run's own, by counter, with their periods' names), which plain keys are whose, who
    hears of the run's events, how the next commands are typed, and when Redis did not answer.
    """

    store: Store
    owner: Owner
    known: frozenset[CellId]
    labels: Mapping[str, Mapping[CellId, str]]
    claims: Claims
    log: Callable[[Event], None] = locks.unheard
    commands: Commands = NO_OPTIONS
    cooldown: RedisCooldown = msgspec.field(default_factory=RedisCooldown)


class Job:
    """The job of one database: waits for its lock, holds the lease, stores the results, records the end."""

    def __init__(self, settings: Settings, base: Base, task: Task, worker: Worker) -> None:
        self.task = task
        self.id = uuid.uuid4().hex
        self.lease: Lease | None = None
        self.held: LockHeld | None = None
        self.began = time.monotonic()
        self.deadline = math.inf
        self.duration = 0.0
        self.progress = Progress("waiting for the lock")
        self.failure: Failure | None = None
        self.finished: dict[str, Finished] = {}
        self._settings = settings
        self._definitions = Definitions(settings)
        self._base = base
        self._worker = worker
        self._pending: list[Finished] = []
        self._give_up_at = self.began + task.wait
        self._renew_at = 0.0
        self._told = ("", 0.0)  # the phase that others know of, and when it was written
        self._worker_done = False
        self._out_of_reach = False
        # Chance keeps hosts apart; one draw a job keeps counters together that failed together.
        self._backoff = backoff(settings.breaker, random.random())  # noqa: S311 - no secret

    def done(self) -> bool:
        """Whether the worker has ended and all that it found is stored."""
        return self._worker_done and not self._pending

    def receive(self, line: bytes) -> None:
        """Take a report of the worker's."""
        match decode_report(line):
            case Progressed(progress):
                self.progress = progress
            case Finished() as finished:
                cells = self._base.claims.take(finished.counter, tuple(map(storable, finished.cells)))
                self._pending.append(msgspec.structs.replace(finished, cells=cells))
            case Ended(failure):
                self._worker_done = True
                self.failure = failure

    def closed(self, status: int) -> None:
        """The worker is gone; if it did not say that it ended, that is the failure."""
        if not self._worker_done:
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            self.failure = Failure(Reason.WORKER, f"the worker process died ({how}) before it had ended")
            self._worker_done = True

    def tick(self) -> float | None:
        """Get the lock, store what has come, renew the lease: what is due. `None` when the lease is lost."""
        try:
            self._base.cooldown.check()
            return self._acquire() if self.lease is None else self._tend(self.lease)
        except LockLost as lost:
            if time.monotonic() > self.deadline - SLACK:
                return self.deadline
            self.failure = Failure(lost.reason, lost.message, lost.hint)
        except RedisUnreachable as error:
            self._base.cooldown.note(error)
            if self.lease and self.lease.alive():
                return min(time.monotonic() + RETRY, self.lease.until)
            if time.monotonic() > self.deadline - SLACK:
                return self.deadline
            reason = Reason.LOCK_LOST if self.lease else Reason.UNREACHABLE
            self.failure = Failure(reason, error.message, error.hint)
            self._out_of_reach = True
        except RedisError as error:
            self.failure = Failure(Reason.REDIS, error.message, error.hint)
        return None

    def _tend(self, lease: Lease) -> float:
        if not lease.alive():
            raise lease.lost("missing")
        self._store(lease)
        phase, told_at = self._told
        if phase != self.progress.phase:
            self._renew_at = min(self._renew_at, told_at + PROGRESS)
        if time.monotonic() >= self._renew_at:
            lease.renew(self.progress)
            self._renewed()
        return self._renew_at

    def _renewed(self) -> None:
        """The lease has begun anew, and the phase is known to everybody."""
        self._told = (self.progress.phase, time.monotonic())
        self._renew_at = time.monotonic() + self._settings.agent.lease / 3

    def end(self, ending: Ending) -> None:
        """Record how it ended: what is complete is stored, the counters that are not get the reason."""
        self.duration = time.monotonic() - self.began
        if ending is Ending.TIMEOUT:
            message = f"not done within {self.task.timeout:g} s (last: {self.progress.phase})"
            self.failure = Failure(Reason.TIMEOUT, message)
        elif ending is Ending.SIGNAL:
            self.failure = Failure(Reason.CANCELLED, "the run was told to stop by a signal")
        if self.lease is None:
            self._leave_unbegun()
            return
        lost = ending is Ending.LOST and self.failure and self.failure.reason in (Reason.LOCK_LOST, Reason.CLEARED)
        for step in (self._mark_lost, self._leave) if lost else (self._store, self._fail_rest, self._leave):
            try:
                self._base.cooldown.check()
                step(self.lease)
            except CountercacheError as error:
                if isinstance(error, RedisUnreachable):
                    self._base.cooldown.note(error)
                # Nothing is stuck: the lease ends by itself, and cells without an end then read as abandoned.
                self.failure = self.failure or Failure(Reason.REDIS, error.message, error.hint)
                self._pending.clear()
                if isinstance(error, RedisUnreachable) or step == self._leave:
                    self._base.log(self._ending())
                    return

    def _leave(self, lease: Lease) -> None:
        """Give the lock back and put the end of the run into the log; a Redis that is away is not asked again."""
        if self._out_of_reach:
            self._base.log(self._ending())
        else:
            lease.release(self._ending())

    def _leave_unbegun(self) -> None:
        """Put into the log why the run never began."""
        event = self._ending()
        if self.failure and self.failure.reason is Reason.LOCKED:
            event = self._event(Level.WARNING, Category.LOCK, "refused", self.failure.text)
        if not self._out_of_reach:
            with suppress(RedisError):  # what is wrong with it is what the run failed of
                event_log.record(self._base.store, event)
        self._base.log(event)

    def _ending(self) -> Event:
        """How the run ended, for the log."""
        counters = tuple(self._counter_outcome(name, ()) for name in self.task.counters)
        level, action, message, failed = run_ended(counters, self.failure, self.duration)
        return self._event(level, Category.RUN, action, message, failed)

    def _event(
        self, level: Level, category: Category, action: str, message: str, counters: tuple[str, ...] = ()
    ) -> Event:
        about = {"lock": self.task.database, "run": self.id, "by": self._base.owner.name}
        return Event(level, category, action, message, counters, at=time.time(), **about)

    def _mark_lost(self, lease: Lease) -> None:
        """Say why the cells have no end. An operator's clearing has said it already; to a Redis that did not answer
        for a whole lease nothing can be said.
        """
        if self.failure and self.failure.reason is Reason.LOCK_LOST and not self._out_of_reach:
            lease.mark(Reason.LOCK_LOST)

    def _acquire(self) -> float:
        before = time.monotonic()
        try:
            self.lease = locks.acquire(
                self._base.store,
                locks.LockRequest(
                    name=self.task.database,
                    id=self.id,
                    owner=self._base.owner,
                    counters=self.task.counters,
                    lease=self._settings.agent.lease,
                    budget=self.task.timeout,
                ),
                self._base.log,
                self._base.commands,
            )
        except LockHeld as held:
            first, self.held = self.held is None, held
            if time.monotonic() < self._give_up_at:
                if first:
                    self._base.log(self._event(Level.INFO, Category.LOCK, "waiting", str(held)))
                return time.monotonic() + POLL
            self.failure = Failure(Reason.LOCKED, held.message, held.hint)
            self._worker_done = True
            return math.inf
        self.held = None
        self.began = before  # so that the deadline here is never later than the lock's own
        self.deadline = self.began + self.task.timeout
        self._renew_at = self.began + self._settings.agent.lease / 3
        self._told = ("", self.began)
        self.progress = Progress("connecting")
        self._worker.start(encode(StartCommand(COMPUTE, self.task.counters, self.deadline, self.task.batch_size)))
        return self._renew_at

    def _store(self, lease: Lease) -> None:
        """Write all that is pending. A write that is repeated after a lost reply is known by its fence and accepted."""
        if not self._pending:
            return
        entries = [entry for finished in self._pending for entry in self._entries(finished)]
        remarks = [remark for finished in self._pending for remark in self._remarks(finished)]
        done = [finished.counter for finished in self._pending]
        publish, labels = self._settings.publish, self._base.labels
        computed = {finished.counter: finished.cells for finished in self._pending if not finished.failure}
        gone = [cell for name, cells in computed.items() for cell in vanished(publish, labels.get(name, {}), cells)]
        written = cell_store.write(lease, entries, done, vanished=gone, remarks=remarks, backoff=self._backoff)
        self.finished.update({finished.counter: _with_held(finished, written) for finished in self._pending})
        self._pending.clear()

    def _remarks(self, finished: Finished) -> Iterator[cell_store.Remark]:
        """That a counter took more than half of the time that it may take, and that values were left out of it."""
        limit = self._settings.counters[finished.counter].timeout or self.task.timeout
        took = max((cell.duration for cell in finished.cells), default=0.0)
        if took > limit / 2:
            message = f"took {rough_text(took)} of the {duration_text(limit)} that it may take"
            yield cell_store.Remark(finished.counter, "slow", message)
        if rejected := sum(cell.rejected for cell in finished.cells if cell.value is not None):
            what = "1 value that is no number" if rejected == 1 else f"{rejected} values that are no numbers"
            yield cell_store.Remark(finished.counter, "rejected", f"{what} left out of {_cells(finished)}")

    def _entries(self, finished: Finished) -> Iterator[cell_store.Publication]:
        """What is written of a counter: each cell's value or failure, or the one failure of all its known cells."""
        cells = finished.cells
        if finished.failure:
            ids = configured_cells(self._settings, self._base.known, (finished.counter,))
            cells = tuple(Computed(id_, id_.period, failure=finished.failure) for id_ in ids)
        settings = self._settings.counters[finished.counter]
        outdated = outdated_keys(self._settings.publish, self._base.labels.get(finished.counter, {}), cells)
        for computed in cells:
            if computed.value is None:
                yield cell_store.Publication(computed)
            else:
                text = display(computed.value, settings.format)
                keys = published(self._settings.publish, computed, text, time.time())
                hold = None if self.task.accept else _hold(finished.counter, settings, self._base.commands)
                gone, definition = outdated.get(computed.cell, ()), self._definitions.of(computed.cell)
                yield cell_store.Publication(computed, text, settings.fresh_for, keys, hold, gone, definition)

    def _fail_rest(self, lease: Lease) -> None:
        """The counters that the worker did not finish get what stopped the job as their failure."""
        if self.failure:
            rest = [name for name in self.task.counters if name not in self.finished]
            self._pending = [Finished(name, failure=self.failure) for name in rest]
            try:
                self._store(lease)
            except RedisUnreachable:
                raise
            except RedisError:  # a full memory: it takes a word at the attempts, if no more
                lease.mark(self.failure.reason, self.failure.text)
                raise

    def outcome(
        self, views: Sequence[CellView], skipped: Sequence[CounterOutcome] = (), *, ok_if_locked: bool
    ) -> JobOutcome:
        """How it ended; `views` are the cells as they are stored now, `skipped` counters of its database not tried."""
        counters = (*(self._counter_outcome(name, views) for name in self.task.counters), *skipped)
        code = job_exit_code(counters, self.failure)
        return JobOutcome(
            database=self.task.database,
            run=self.id,
            counters=counters,
            duration=self.duration,
            failure=self.failure,
            exit_code=EXIT_OK if code == EXIT_LOCKED and ok_if_locked else code,
        )

    def _counter_outcome(self, name: str, views: Sequence[CellView]) -> CounterOutcome:
        cells = tuple(view for view in views if view.id.counter == name)
        finished = self.finished.get(name)
        if finished is None:
            return CounterOutcome(name, cells, failures=(self.failure,) if self.failure else ())
        failures = [cell.failure for cell in finished.cells if cell.failure]
        if finished.failure:
            failures.append(finished.failure)
        return CounterOutcome(
            name, cells, values=sum(cell.value is not None for cell in finished.cells), failures=tuple(failures)
        )


def _cells(finished: Finished) -> str:
    return count(sum(cell.rejected > 0 for cell in finished.cells if cell.value is not None), "cell")


def _hold(counter: str, settings: CounterSettings, commands: Commands) -> cell_store.Hold | None:
    """Which values of a counter are held back."""
    if settings.max_change is None:
        return None
    bound = f"more than max_change = {percent_text(settings.max_change)}"
    store = commands.to_type(f"accept {shlex.quote(counter)}")
    return cell_store.Hold(settings.max_change, f"{bound}; `{store}` stores it")


def _with_held(finished: Finished, written: cell_store.Written) -> Finished:
    """A counter with the cells that were held back as failed ones."""
    if not written.held:
        return finished
    cells = (
        msgspec.structs.replace(cell, value=None, failure=written.held[cell.cell])
        if cell.cell in written.held
        else cell
        for cell in finished.cells
    )
    return msgspec.structs.replace(finished, cells=tuple(cells))
