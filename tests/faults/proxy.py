"""A TCP proxy of the tests' own on the loopback, which misbehaves on command.

It stands between the program and a server: PostgreSQL, or Valkey by its TCP port. One thread and one selector a proxy.
What it does with a connection is decided anew for each piece that passes, so that a switch takes effect at once.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import socket
import struct
import threading
import time
from collections import deque
from enum import StrEnum
from typing import Self

_PATIENCE = 2.0
"""Seconds that the proxy itself waits for a peer, so that one that is stopped does not stop the others."""


class Mode(StrEnum):
    """What becomes of connections and of what passes."""

    PASS = "pass"
    HOLD = "hold"
    """Connections are accepted, and nothing is ever read or answered."""
    SILENT = "silent"
    """What comes is taken (so that the sender's TCP is content) and goes nowhere, in both directions."""
    RESET = "reset"
    """Connections are reset as soon as they are made, or as anything passes."""
    REFUSE = "refuse"
    """Nobody listens."""


class _Pipe:
    """One direction of a connection: what was read and waits to be sent, each piece with the moment it is due."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[float, bytes]] = deque()


class _Link:
    """A client's connection and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket | None) -> None:
        self.client = client
        self.server = server
        self.up = _Pipe()
        self.down = _Pipe()
        self.asked = False
        self.deaf = False
        self.swallowing = False


class Proxy:
    """A proxy in front of `127.0.0.1:target`; its own port is `port`. A context manager.

    `mode` may be set at any time. Further switches, each off until it is set:

    - `latency`: seconds that each piece is late, in both directions;
    - `drip`: bytes that pass at once towards the client, `drip_every` seconds apart;
    - `silent_after`: bytes from the server, of all connections together, after which the mode becomes SILENT;
    - `drop_reply`: the number of a command (1: the next one, counted over all connections): it reaches the server, and
      its reply goes nowhere. `then` says what follows: "close" or "silence" of that connection.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.latency = 0.0
        self.drip = 0
        self.drip_every = 0.01
        self.silent_after: int | None = None
        self.drop_reply = 0
        self.then = "close"
        self.commands = 0
        self.connections = 0
        self.dropped = threading.Event()
        self._mode = Mode.PASS
        self._links: dict[socket.socket, _Link] = {}
        self._selector = selectors.DefaultSelector()
        self._wake, self._wake_write = os.pipe()
        os.set_blocking(self._wake, False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._listener: socket.socket | None = None
        self.port = 0
        self._listen()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._nudge()
        self._thread.join(10)

    @property
    def mode(self) -> Mode:
        """What it does now."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        self._nudge()

    def calm(self) -> None:
        """Back to a proxy that only passes on."""
        self.latency, self.drip, self.silent_after, self.drop_reply = 0.0, 0, None, 0
        self.mode = Mode.PASS

    def _nudge(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"!")

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)

    def _serve(self) -> None:
        while not self._closing:
            self._follow_mode()
            for key, _ in self._selector.select(self._pause()):
                if key.fileobj is self._wake:
                    os.read(self._wake, 4096)
                elif key.fileobj is self._listener:
                    self._accept()
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    link = self._links.get(key.fileobj)
                    if link:
                        self._take(link, key.fileobj)
            self._deliver()
        for link in set(self._links.values()):
            self._drop(link)
        if self._listener:
            self._listener.close()
        self._selector.close()
        os.close(self._wake)
        os.close(self._wake_write)

    def _follow_mode(self) -> None:
        if self._mode is Mode.REFUSE and self._listener:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
            for link in set(self._links.values()):
                self._drop(link)
        elif self._mode is not Mode.REFUSE and self._listener is None:
            self._listen()
        if self._mode is Mode.RESET:
            for link in set(self._links.values()):
                self._drop(link, reset=True)
        # In HOLD nothing is read, so that the sockets' own buffers fill; reading them would spin here besides.
        deaf = self._mode is Mode.HOLD
        for sock, link in self._links.items():
            if deaf != (sock not in self._selector.get_map()):
                if deaf:
                    self._selector.unregister(sock)
                else:
                    self._selector.register(sock, selectors.EVENT_READ)
            link.deaf = deaf

    def _pause(self) -> float | None:
        due = [pipe.waiting[0][0] for link in self._links.values() for pipe in (link.up, link.down) if pipe.waiting]
        return max(0.0, min(due) - time.monotonic()) if due and self._mode is not Mode.HOLD else None

    def _accept(self) -> None:
        assert self._listener
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        self.connections += 1
        client.settimeout(_PATIENCE)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = _Link(client, None)
        if self._mode is Mode.RESET:
            _close(client, reset=True)
            return
        if self._mode is not Mode.HOLD:
            try:
                link.server = socket.create_connection(("127.0.0.1", self.target), timeout=_PATIENCE)
            except OSError:
                _close(client, reset=True)
                return
            link.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for sock in (client, link.server):
            if sock:
                self._links[sock] = link
                if self._mode is not Mode.HOLD:
                    self._selector.register(sock, selectors.EVENT_READ)

    def _take(self, link: _Link, sock: socket.socket) -> None:
        try:
            data = sock.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._end(link)
            return
        from_client = sock is link.client
        if link.server is None and self._mode is Mode.PASS and from_client:
            self._drop(link)  # it was made while nothing was answered: there is nobody behind it
            return
        if self._mode is Mode.SILENT:
            return
        if from_client:
            self._count(link)
            link.up.waiting.append((time.monotonic() + self.latency, data))
        else:
            self._answer(link, data)

    def _count(self, link: _Link) -> None:
        """A piece from the client that follows an answer (or nothing) begins a command."""
        if link.asked:
            return
        link.asked = True
        self.commands += 1
        if self.drop_reply:
            self.drop_reply -= 1
            link.swallowing = self.drop_reply == 0

    def _answer(self, link: _Link, data: bytes) -> None:
        link.asked = False
        if link.swallowing:
            self.dropped.set()
            if self.then == "close":
                self._drop(link)
            return
        if self.silent_after is not None:
            data = data[: self.silent_after]
            self.silent_after -= len(data)
            if not self.silent_after:
                self.silent_after = None
                self._mode = Mode.SILENT
        due = time.monotonic() + self.latency
        size = self.drip or len(data) or 1
        if link.down.waiting:
            due = max(due, link.down.waiting[-1][0] + (self.drip_every if self.drip else 0))
        for number, start in enumerate(range(0, len(data), size)):
            link.down.waiting.append((due + number * (self.drip_every if self.drip else 0), data[start : start + size]))

    def _deliver(self) -> None:
        if self._mode is Mode.HOLD:
            return
        now = time.monotonic()
        for link in list({id(link): link for link in self._links.values()}.values()):
            for pipe, sock in ((link.up, link.server), (link.down, link.client)):
                while sock and pipe.waiting and pipe.waiting[0][0] <= now:
                    _, data = pipe.waiting.popleft()
                    if self._mode is Mode.SILENT:
                        continue
                    try:
                        sock.sendall(data)
                    except OSError:
                        self._drop(link)
                        break

    def _end(self, link: _Link) -> None:
        """One side has closed. While silent the other one does not hear of it, as with a network that lost its way."""
        if self._mode is Mode.SILENT or (link.swallowing and self.then == "silence"):
            for sock in (link.client, link.server):
                if sock in self._links and _closed(sock):
                    self._forget(sock)
            if link.client not in self._links and link.server not in self._links:
                self._drop(link)
            return
        self._deliver_all(link)
        self._drop(link)

    def _deliver_all(self, link: _Link) -> None:
        with contextlib.suppress(OSError):
            for pipe, sock in ((link.up, link.server), (link.down, link.client)):
                while sock and pipe.waiting:
                    sock.sendall(pipe.waiting.popleft()[1])

    def _drop(self, link: _Link, *, reset: bool = False) -> None:
        for sock in (link.client, link.server):
            if sock:
                self._forget(sock)
                _close(sock, reset=reset)

    def _forget(self, sock: socket.socket | None) -> None:
        if sock is not None and sock in self._links:
            del self._links[sock]
            with contextlib.suppress(KeyError):
                self._selector.unregister(sock)


def _closed(sock: socket.socket | None) -> bool:
    """Whether the other end has closed it: there is something to read, and it is the end."""
    if sock is None:
        return True
    if not select.select([sock], [], [], 0)[0]:
        return False
    try:
        return not sock.recv(1, socket.MSG_PEEK)
    except OSError:
        return True


def _close(sock: socket.socket, *, reset: bool) -> None:
    if reset:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
