"""A worker process's own frame: its end of the channel, in messages; what nobody foresaw is reported too."""

from __future__ import annotations

import traceback
from pathlib import Path

from countercache.model.redaction import redact
from countercache.model.states import Failure, Reason
from countercache.run.supervisor import Channel
from countercache.settings import Settings
from countercache.worker.protocol import Ended, Report, StartCommand, decode_start, encode


class MessageChannel:
    """The worker's end of the channel, in messages instead of bytes."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.on_stop = channel.on_stop

    def receive(self) -> StartCommand:
        """Wait for the guard's word to start."""
        return decode_start(self._channel.receive())

    def send(self, report: Report) -> None:
        """Report to the guard. Raises `BrokenPipeError` when it is gone."""
        self._channel.send(encode(report))


def work(settings: Settings, database: str, channel: Channel) -> None:
    """What a worker process does. An error that nobody foresaw is reported too: a process that dies says nothing."""
    messages = MessageChannel(channel)
    try:
        from countercache.worker import tasks  # noqa: PLC0415 - SQLAlchemy is for workers only

        tasks.run(messages, settings, database)
    except Exception as error:  # noqa: BLE001
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        message = f"unexpected {type(error).__name__} at {place}: {redact(str(error))}"
        messages.send(Ended(Failure(Reason.WORKER, message)))
