"""A TCP proxy that can cut, stall, slow, silence and refuse: it stands between a node and PostgreSQL or S3.

It knows nothing of what it carries. All its connections live in one thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from urllib.parse import urlsplit

PIECE = 64 * 1024
SLOW_PIECE = 512
CALL_SECONDS = 10
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST instead of FIN, as a firewall or a crashed machine does."""

KINDS = ("cut", "refuse", "stall", "mute", "slow")
"""What `disturb` takes; `heal` ends all of them."""


class TcpProxy:
    """Listens on a loopback port of its own and passes everything on to the host and port of `url`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task] = set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self._mode = ""
        self._bytes_per_second = 0
        self._changed = asyncio.Event()
        self._call(self._open())

    def url(self, original: str) -> str:
        """The same address, but through this proxy."""
        parts = urlsplit(original)
        credentials = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return parts._replace(netloc=f"{credentials}127.0.0.1:{self._port}").geturl()

    def disturb(self, kind: str, bytes_per_second: int = 4096) -> None:
        """Begins to misbehave.

        `cut`: all connections are reset, new ones are welcome. `refuse`: reset, and nobody listens any more. `stall`: bytes are taken and
        not passed on. `mute`: what goes to the server arrives, its answers do not. `slow`: at most so many bytes a second each way.
        """
        self._call(self._disturb(kind, bytes_per_second))

    def heal(self) -> None:
        """From now on everything passes. A connection whose answers were swallowed is of no more use: it is reset."""
        self._call(self._heal())

    def close(self) -> None:
        """Ends the proxy and its thread."""
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS)
        self._loop.close()

    def _call(self, work: Coroutine) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)

    async def _open(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def _disturb(self, kind: str, bytes_per_second: int) -> None:
        assert kind in KINDS, kind
        self._bytes_per_second = bytes_per_second
        if kind == "refuse" and self._server:
            self._server.close()
            self._server = None
        if kind in ("cut", "refuse"):
            self._reset_all()
        else:
            self._switch(kind)

    async def _heal(self) -> None:
        if self._mode == "mute":
            self._reset_all()
        self._switch("")
        await self._open()

    async def _shut(self) -> None:
        if self._server:
            self._server.close()
        self._reset_all()
        pumps = list(self._pumps)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    def _switch(self, mode: str) -> None:
        self._mode = mode
        self._changed.set()
        self._changed = asyncio.Event()

    def _reset_all(self) -> None:
        for writer in list(self._writers):
            _reset(writer)
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._pumps.add(task)
        self._writers.add(writer)
        try:
            await self._carry(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._pumps.discard(task)
            self._forget(writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from beginning to end; when either side breaks, so does the other."""
        there, back = await asyncio.open_connection(*self._target)
        self._writers.add(back)
        ways = [asyncio.ensure_future(self._pump(reader, back, False)), asyncio.ensure_future(self._pump(there, writer, True))]
        try:
            await asyncio.gather(*ways)
        finally:
            for way in ways:
                way.cancel()
            self._forget(back)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool) -> None:
        while data := await reader.read(SLOW_PIECE if self._mode == "slow" else PIECE):
            while self._mode == "stall":
                await self._changed.wait()
            if self._mode == "mute" and answers:
                continue
            if self._mode == "slow":
                await self._pause(len(data))
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _pause(self, count: int) -> None:
        """As long as so many bytes take; a change of mode ends it."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), count / self._bytes_per_second)

    def _forget(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
