"""The main function of a worker process, and its channel of messages; unexpected errors are reported too."""

from __future__ import annotations

import traceback
from pathlib import Path

from countercache.model.redaction import redact
from countercache.model.states import Failure, Reason
from countercache.run.supervisor import Channel
from countercache.settings import Settings
from countercache.worker.protocol import Ended, Report, StartCommand, decode_start, encode


class MessageChannel:
    """A channel that sends and receives messages instead of bytes."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.on_stop = channel.on_stop

    def receive(self) -> StartCommand:
        """Wait for the command with which the guard starts the work."""
        return decode_start(self._channel.receive())

    def send(self, report: Report) -> None:
        """Send a report to the guard. Raises `BrokenPipeError` where it is gone."""
        self._channel.send(encode(report))


def work(settings: Settings, database: str, channel: Channel) -> None:
    """Do the work of a worker process. An unexpected error is reported too, with the place where it happened."""
    messages = MessageChannel(channel)
    try:
        from countercache.worker import tasks  # noqa: PLC0415 - SQLAlchemy is for workers only

        tasks.run(messages, settings, database)
    except Exception as error:  # noqa: BLE001
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        message = f"unexpected {type(error).__name__} at {place}: {redact(str(error))}"
        messages.send(Ended(Failure(Reason.WORKER, message)))
