"""The client of one relay."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Optional, Type

from . import _native
from ._native import ClientOptions, NewRoom, RoomRetention
from .room import Room
from .transport import Transport, serve


#: The timeout for transports to close, in seconds.
_PATIENCE = 1


class Client:
    """A guest's client of one relay: it opens and joins rooms.

    The rooms of one client share its connection, which reveals to the relay that they belong to one
    guest. As a context manager it shuts itself down at the end.
    """

    def __init__(
        self,
        relay: str,
        *,
        options: Optional[ClientOptions] = None,
        transport: Optional[Transport] = None,
    ) -> None:
        """Creates a client of the relay at `relay`, such as `https://relay.example/`.

        It connects when it has a room: over a WebSocket, or through `transport`. With a
        `transport`, it must be created in a running event loop. Raises `AnocmError`.
        """
        self._serving: Optional[asyncio.Task[None]] = None
        if transport is None:
            self._native = _native.Client(relay, options)
        else:
            loop = asyncio.get_running_loop()
            host = _native.HostTransport()
            self._native = _native.Client.over(relay, host, options)
            self._serving = loop.create_task(serve(host, transport))

    @classmethod
    def for_link(cls, link: str, *, options: Optional[ClientOptions] = None) -> Client:
        """Creates a client of the relay that a link names. Raises `AnocmError`."""
        client = cls.__new__(cls)
        client._serving = None
        client._native = _native.Client.for_link(link, options)
        return client

    def create(
        self,
        nickname: str = "guest",
        *,
        retention: Optional[RoomRetention] = None,
        linger_seconds: int = 120,
        max_age_seconds: int = 604_800,
        max_entries: int = 10_000,
        max_bytes: int = 32_000_000,
    ) -> Room:
        """Opens a room. Returns at once; `Room.entered` waits until it is open."""
        return Room(
            self._native.create(
                NewRoom(
                    nickname=nickname,
                    retention=retention,
                    linger_seconds=linger_seconds,
                    max_age_seconds=max_age_seconds,
                    max_entries=max_entries,
                    max_bytes=max_bytes,
                )
            )
        )

    def join(self, link: str, nickname: str = "guest") -> Room:
        """Joins a room through its link. Returns at once; `Room.entered` waits until it is done."""
        return Room(self._native.join(link, nickname))

    def reconnect(self) -> None:
        """Drops the connection, if there is one, and reconnects at once.

        Use it when the network has changed or the program was asleep, instead of waiting for a
        timeout. Nothing is lost.
        """
        self._native.reconnect()

    async def shutdown(self) -> None:
        """Wipes all rooms, closes the connection, and waits until all tasks have ended."""
        await self._native.shutdown()
        if self._serving is not None:
            # With a timeout, since the task may be waiting for the caller of this function.
            await asyncio.wait({self._serving}, timeout=_PATIENCE)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.shutdown()


def join(link: str, nickname: str = "guest", *, options: Optional[ClientOptions] = None) -> Room:
    """Joins a room with a separate client, which ends with the room's `async with`."""
    client = Client.for_link(link, options=options)
    room = client.join(link, nickname)
    room._client = client
    return room


def create(relay: str, nickname: str = "guest", *, options: Optional[ClientOptions] = None) -> Room:
    """Opens a room with a separate client, which ends with the room's `async with`."""
    client = Client(relay, options=options)
    room = client.create(nickname)
    room._client = client
    return room
