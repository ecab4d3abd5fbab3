"""A job of a run: stores what its worker reports as cells in Redis, under its lease, and returns the outcome.

A `Job` is a `SupervisedJob`. Counters that the worker has finished wait in `_pending` until a tick writes them, all in
one write. A write that fails is tried again until the lease ends, and no longer: the job counts the lease from before
it was requested, and stops by itself where it cannot renew it.
"""

from __future__ import annotations

import math
import random
import shlex
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum

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
"""Seconds between two attempts to acquire a lock while waiting for it."""

SLACK = 0.1
"""Seconds before the deadline within which the end of the lease is a timeout, not a loss: no lease exceeds it."""

PROGRESS = 1.0
"""The least seconds between two renewals that only store a new phase for `status` to show."""


class Task(msgspec.Struct, frozen=True):
    """What one job has to do, and its limits in seconds. With `accept`, no value is held back."""

    database: str
    counters: tuple[str, ...]
    timeout: float
    wait: float
    batch_size: int | str
    accept: bool = False


class Base(msgspec.Struct, frozen=True):
    """What the jobs of a run share.

    `known` are the stored cells of all counters, `labels` those of the run's own counters with the labels of their
    periods, `claims` the owners of plain keys. `log` is called with each event of the run.
    """

    store: Store
    owner: Owner
    known: frozenset[CellId]
    labels: Mapping[str, Mapping[CellId, str]]
    claims: Claims
    log: Callable[[Event], None] = locks.ignore_event
    commands: Commands = NO_OPTIONS
    cooldown: RedisCooldown = msgspec.field(default_factory=RedisCooldown)


class JobState(Enum):
    """Where a job is: it waits for the lock, it runs under its lease, or its worker has ended."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


class Job:
    """The job of one database: waits for the lock, holds the lease, stores the results and records the end."""

    def __init__(self, settings: Settings, base: Base, task: Task, worker: Worker) -> None:
        self.task = task
        self.state = JobState.WAITING
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
        self._stored_phase = ("", 0.0)  # and when it was stored
        self._out_of_reach = False
        # Random, so that hosts do not retry at the same time; one draw per job, so that its counters do.
        self._backoff = backoff(settings.breaker, random.random())  # noqa: S311 - no secret

    def done(self) -> bool:
        """Whether the worker has ended and all its results are stored."""
        return self.state is JobState.ENDED and not self._pending

    def receive(self, line: bytes) -> None:
        """Handle a report of the worker."""
        match decode_report(line):
            case Progressed(progress):
                self.progress = progress
            case Finished() as finished:
                cells = self._base.claims.take(finished.counter, tuple(map(storable, finished.cells)))
                self._pending.append(msgspec.structs.replace(finished, cells=cells))
            case Ended(failure):
                self.state = JobState.ENDED
                self.failure = failure

    def closed(self, status: int) -> None:
        """Handle the exit of the worker: a failure, unless it has reported its end."""
        if self.state is not JobState.ENDED:
            cause = f"signal {-status}" if status < 0 else f"exit status {status}"
            self.failure = Failure(Reason.WORKER, f"the worker process died ({cause}) before it was done")
            self.state = JobState.ENDED

    def tick(self) -> float | None:
        """Do what is due: acquire the lock, store results, renew the lease. `None` where the lease is lost."""
        try:
            self._base.cooldown.raise_if_active()
            return self._acquire() if self.lease is None else self._store_and_renew(self.lease)
        except LockLost as lost:
            if time.monotonic() > self.deadline - SLACK:
                return self.deadline
            self.failure = Failure(lost.reason, lost.message, lost.hint)
        except RedisUnreachable as error:
            self._base.cooldown.start(error)
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

    def _store_and_renew(self, lease: Lease) -> float:
        if not lease.alive():
            raise lease.lost("missing")
        self._store(lease)
        phase, stored_at = self._stored_phase
        if phase != self.progress.phase:
            self._renew_at = min(self._renew_at, stored_at + PROGRESS)
        if time.monotonic() >= self._renew_at:
            lease.renew(self.progress)
            self._renewed()
        return self._renew_at

    def _renewed(self) -> None:
        """Note that the lease was renewed and the phase stored."""
        self._stored_phase = (self.progress.phase, time.monotonic())
        self._renew_at = time.monotonic() + self._settings.agent.lease / 3

    def end(self, ending: Ending) -> None:
        """Record how the job ended: store complete results, and the reason as the failure of all other counters."""
        self.duration = time.monotonic() - self.began
        if ending is Ending.TIMEOUT:
            message = f"not done within {self.task.timeout:g} s (last: {self.progress.phase})"
            self.failure = Failure(Reason.TIMEOUT, message)
        elif ending is Ending.SIGNAL:
            self.failure = Failure(Reason.CANCELLED, "the run was told to stop by a signal")
        if self.lease is None:
            self._log_not_begun()
            return
        lost = ending is Ending.LOST and self.failure and self.failure.reason in (Reason.LOCK_LOST, Reason.CLEARED)
        for step in (self._mark_lost, self._release) if lost else (self._store, self._fail_rest, self._release):
            try:
                self._base.cooldown.raise_if_active()
                step(self.lease)
            except CountercacheError as error:
                if isinstance(error, RedisUnreachable):
                    self._base.cooldown.start(error)
                # Nothing gets stuck: the lease ends by itself, and open attempts then count as abandoned.
                self.failure = self.failure or Failure(Reason.REDIS, error.message, error.hint)
                self._pending.clear()
                if isinstance(error, RedisUnreachable) or step == self._release:
                    self._base.log(self._ending())
                    return

    def _release(self, lease: Lease) -> None:
        """Release the lock and log the end of the run, unless Redis cannot be reached."""
        if self._out_of_reach:
            self._base.log(self._ending())
        else:
            lease.release(self._ending())

    def _log_not_begun(self) -> None:
        """Log why the run never began."""
        event = self._ending()
        if self.failure and self.failure.reason is Reason.LOCKED:
            event = self._event(Level.WARNING, Category.LOCK, "refused", self.failure.text)
        if not self._out_of_reach:
            with suppress(RedisError):  # the run has failed with the same error
                event_log.record(self._base.store, event)
        self._base.log(event)

    def _ending(self) -> Event:
        """The event that ends the run."""
        counters = tuple(self._counter_outcome(name, ()) for name in self.task.counters)
        level, action, message, failed = run_ended(counters, self.failure, self.duration)
        return self._event(level, Category.RUN, action, message, failed)

    def _event(
        self, level: Level, category: Category, action: str, message: str, counters: tuple[str, ...] = ()
    ) -> Event:
        common = {"lock": self.task.database, "run": self.id, "by": self._base.owner.name}
        return Event(level, category, action, message, counters, at=time.time(), **common)

    def _mark_lost(self, lease: Lease) -> None:
        """Record that the lock was lost, unless clearing it has recorded that, or Redis cannot be reached."""
        if self.failure and self.failure.reason is Reason.LOCK_LOST and not self._out_of_reach:
            lease.record_failure(Reason.LOCK_LOST)

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
            self.state = JobState.ENDED
            return math.inf
        self.state = JobState.RUNNING
        self.held = None
        self.began = before  # so that this deadline is never later than the lock's own
        self.deadline = self.began + self.task.timeout
        self._renew_at = self.began + self._settings.agent.lease / 3
        self._stored_phase = ("", self.began)
        self.progress = Progress("connecting")
        self._worker.start(encode(StartCommand(COMPUTE, self.task.counters, self.deadline, self.task.batch_size)))
        return self._renew_at

    def _store(self, lease: Lease) -> None:
        """Write all that is pending. After a lost reply it is written again, which is safe under the same fence."""
        if not self._pending:
            return
        entries = [entry for finished in self._pending for entry in self._entries(finished)]
        remarks = [remark for finished in self._pending for remark in self._remarks(finished)]
        completed = [finished.counter for finished in self._pending]
        publish, labels = self._settings.publish, self._base.labels
        computed = {finished.counter: finished.cells for finished in self._pending if not finished.failure}
        gone = [cell for name, cells in computed.items() for cell in vanished(publish, labels.get(name, {}), cells)]
        written = cell_store.write(lease, entries, completed, vanished=gone, remarks=remarks, backoff=self._backoff)
        self.finished.update({finished.counter: _with_held(finished, written) for finished in self._pending})
        self._pending.clear()

    def _remarks(self, finished: Finished) -> Iterator[cell_store.Remark]:
        """Remarks on a counter that took more than half of its time limit, or of which values were left out."""
        limit = self._settings.counters[finished.counter].timeout or self.task.timeout
        took = max((cell.duration for cell in finished.cells), default=0.0)
        if took > limit / 2:
            message = f"took {rough_text(took)} of the {duration_text(limit)} that it may take"
            yield cell_store.Remark(finished.counter, "slow", message)
        if rejected := sum(cell.rejected for cell in finished.cells if cell.value is not None):
            values = "1 value that is no number" if rejected == 1 else f"{rejected} values that are no numbers"
            yield cell_store.Remark(finished.counter, "rejected", f"{values} left out of {_cells(finished)}")

    def _entries(self, finished: Finished) -> Iterator[cell_store.Publication]:
        """What is written for a counter: the value or failure of each cell, or its one failure for all known cells."""
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
        """Store what stopped the job as the failure of the counters that the worker did not finish."""
        if self.failure:
            unfinished = [name for name in self.task.counters if name not in self.finished]
            self._pending = [Finished(name, failure=self.failure) for name in unfinished]
            try:
                self._store(lease)
            except RedisUnreachable:
                raise
            except RedisError:  # its memory is full: it can still record the attempts' end
                lease.record_failure(self.failure.reason, self.failure.text)
                raise

    def outcome(
        self, views: Sequence[CellView], skipped: Sequence[CounterOutcome] = (), *, ok_if_locked: bool
    ) -> JobOutcome:
        """How the job ended; `views` are the cells as stored now, `skipped` the counters that were not tried."""
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
    """The rule for holding back values of a counter, if it has one."""
    if settings.max_change is None:
        return None
    bound = f"more than max_change = {percent_text(settings.max_change)}"
    accept = commands.to_type(f"accept {shlex.quote(counter)}")
    return cell_store.Hold(settings.max_change, f"{bound}; `{accept}` stores it")


def _with_held(finished: Finished, written: cell_store.Written) -> Finished:
    """The report with the cells that were held back as failed."""
    if not written.held:
        return finished
    cells = (
        msgspec.structs.replace(cell, value=None, failure=written.held[cell.cell])
        if cell.cell in written.held
        else cell
        for cell in finished.cells
    )
    return msgspec.structs.replace(finished, cells=tuple(cells))
