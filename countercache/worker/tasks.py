"""What a worker process does: talks to one database, and tells the guard what it finds as it finds it.

It is started before it is needed, loads the driver, and waits for the guard's word. Everything that goes wrong with the
database or the configuration is reported; an error that nobody foresaw is left to `run.worker_process`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from countercache.databases.base import Database, Refused
from countercache.databases.registry import prepare
from countercache.errors import ConfigError, CountercacheError
from countercache.model.states import ALL, CellId, Computed, Progress
from countercache.settings import Settings
from countercache.worker import protocol
from countercache.worker.failures import failure
from countercache.worker.protocol import Channel, Ended, Finished, Progressed, StartCommand
from countercache.worker.source_reader import Source, by_source


def run(channel: Channel, settings: Settings, database: str) -> None:
    """Do what the guard orders on this database, and end with `Ended`."""
    try:
        target = prepare(database, settings.databases[database])
        start = channel.receive()
        channel.send(Progressed(Progress("connecting")))
        connection = target.open(start.deadline)
        channel.on_stop(connection.cancel)
        try:
            _TASKS[start.task](channel, settings, connection, start)
        finally:
            connection.close()
    except CountercacheError as error:
        channel.send(Ended(failure(error)))
    else:
        channel.send(Ended())


def _compute(channel: Channel, settings: Settings, database: Database, start: StartCommand) -> None:
    def report(progress: Progress) -> None:
        channel.send(Progressed(progress))

    for source, counters in by_source(settings, start.counters).items():
        sent: set[str] = set()
        try:
            with database.savepoint():
                for finished in Source(database, settings, source, counters, report).compute(start.batch_size):
                    sent.add(finished.counter)
                    channel.send(finished)
        except (ConfigError, Refused) as error:
            for counter in counters:
                if counter not in sent:
                    channel.send(Finished(counter, failure=failure(error)))
    for counter in start.counters:
        if settings.counters[counter].source is None:
            report(Progress(f"query of {counter}"))
            channel.send(_by_sql(settings, database, counter))


def _by_sql(settings: Settings, database: Database, counter: str) -> Finished:
    counter_settings = settings.counters[counter]
    began = time.monotonic()
    try:
        with database.savepoint():
            value = database.number(counter_settings.sql or "", counter_settings.timeout)
    except Refused as error:
        return Finished(counter, failure=failure(error))
    cell = CellId(counter, ALL, ALL)
    return Finished(counter, cells=(Computed(cell, ALL, value=value, duration=time.monotonic() - began),))


def _doctor(channel: Channel, settings: Settings, database: Database, start: StartCommand) -> None:
    from countercache.worker import diagnosis  # noqa: PLC0415 - a run has no use for it

    diagnosis.examine(channel, settings, database, start)


def _plan(channel: Channel, settings: Settings, database: Database, start: StartCommand) -> None:
    from countercache.worker import checks  # noqa: PLC0415 - a run has no use for it

    checks.plan(channel, settings, database, start)


def _check(channel: Channel, settings: Settings, database: Database, start: StartCommand) -> None:
    from countercache.worker import checks  # noqa: PLC0415 - a run has no use for it

    checks.check(channel, settings, database, start)


_TASKS: dict[str, Callable[[Channel, Settings, Database, StartCommand], None]] = {
    protocol.COMPUTE: _compute,
    protocol.PLAN: _plan,
    protocol.CHECK: _check,
    protocol.DOCTOR: _doctor,
}
