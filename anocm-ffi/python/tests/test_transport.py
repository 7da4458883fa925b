"""Transports written in Python, well-behaved and not."""

from __future__ import annotations

import asyncio
import time
from typing import Callable, Optional, Sequence

import anocm
import pytest
import websockets
from anocm import AnocmError, RoomEvent, TransportError, TransportFailure
from conftest import Relay, hears, link, scenario, until


class WebSocketLink:
    """A connection over a third-party WebSocket client."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket

    async def send(self, frames: Sequence[bytes]) -> None:
        for frame in frames:
            await self._socket.send(frame)

    async def receive(self) -> Optional[bytes]:
        try:
            frame = await self._socket.recv()
        except websockets.ConnectionClosedOK:
            return None
        assert isinstance(frame, bytes)
        return frame

    async def close(self) -> None:
        await self._socket.close()


class WebSocketTransport:
    def __init__(self, relay: str) -> None:
        self._url = relay.replace("http", "ws", 1) + "ws"
        self.links = 0

    async def connect(self) -> WebSocketLink:
        socket = await websockets.connect(self._url, compression=None)
        self.links += 1
        return WebSocketLink(socket)


class Meddling(WebSocketLink):
    """A link that calls `meddle` before it sends and before it receives."""

    def __init__(self, link: WebSocketLink, meddle: Callable[[str], None]) -> None:
        super().__init__(link._socket)
        self._meddle = meddle

    async def send(self, frames: Sequence[bytes]) -> None:
        self._meddle("send")
        await super().send(frames)

    async def receive(self) -> Optional[bytes]:
        self._meddle("receive")
        return await super().receive()


class MeddlingTransport(WebSocketTransport):
    def __init__(self, relay: str, meddle: Callable[[str], None]) -> None:
        super().__init__(relay)
        self._meddle = meddle

    async def connect(self) -> WebSocketLink:
        self._meddle("connect")
        return Meddling(await super().connect(), self._meddle)


@scenario
async def test_a_transport_of_ones_own(relay: Relay) -> None:
    transport = WebSocketTransport(relay.url)
    async with anocm.Client(relay.url, transport=transport) as client:
        async with client.create("Alice") as alice, anocm.join(link(alice), "Bob") as bob:
            bob.send("over the built-in one")
            await hears(alice, "over the built-in one")
            alice.send("over another")
            await hears(bob, "over another")
    assert transport.links == 1


@scenario
async def test_a_transport_that_cannot_connect(relay: Relay) -> None:
    class Nowhere:
        async def connect(self) -> WebSocketLink:
            raise TransportError(TransportFailure.PROXY_UNREACHABLE)

    async with anocm.Client(relay.url, transport=Nowhere()) as client:
        waits = await until(client.create("Alice"), RoomEvent.CONNECTION, is_waiting)
        assert isinstance(waits.state, anocm.Connection.WAITING)
        assert waits.state.why == TransportFailure.PROXY_UNREACHABLE


@pytest.mark.parametrize("where", ["connect", "send", "receive"])
@scenario
async def test_a_transport_that_throws(relay: Relay, where: str) -> None:
    thrown = 0

    def throws_once(here: str) -> None:
        nonlocal thrown
        if here == where and thrown == 0:
            thrown += 1
            raise ZeroDivisionError("in the program's own code")

    transport = MeddlingTransport(relay.url, throws_once)
    async with anocm.Client(relay.url, transport=transport) as client:
        async with client.create("Alice") as alice, anocm.join(link(alice), "Bob") as bob:
            alice.send("still here")
            await hears(bob, "still here")
    assert thrown == 1


@pytest.mark.parametrize("where", ["connect", "send", "receive"])
@scenario
async def test_a_transport_that_blocks(relay: Relay, where: str) -> None:
    blocked = 0

    def blocks_once(here: str) -> None:
        nonlocal blocked
        if here == where and blocked == 0:
            blocked += 1
            time.sleep(1)

    transport = MeddlingTransport(relay.url, blocks_once)
    async with anocm.Client(relay.url, transport=transport) as client:
        async with client.create("Alice") as alice, anocm.join(link(alice), "Bob") as bob:
            alice.send("still here")
            await hears(bob, "still here")
    assert blocked == 1


@scenario
async def test_a_transport_that_calls_back(relay: Relay) -> None:
    rooms: list[anocm.Room] = []
    calls = 0

    def calls_back(here: str) -> None:
        nonlocal calls
        for room in rooms:
            calls += 1
            # Functions that a program may call.
            assert room.view.retention is not None
            assert len(room.history) >= 0
            try:
                room.typing()
            except AnocmError.NotInRoom:
                pass

    transport = MeddlingTransport(relay.url, calls_back)
    async with anocm.Client(relay.url, transport=transport) as client:
        async with client.create("Alice") as alice, anocm.join(link(alice), "Bob") as bob:
            rooms.append(alice)
            alice.send("still here")
            await hears(bob, "still here")
            bob.send("here too")
            await hears(alice, "here too")
    assert calls > 0


@scenario
async def test_a_transport_that_ends_its_own_client(relay: Relay) -> None:
    shut: list[asyncio.Task[None]] = []

    def ends(here: str) -> None:
        if here == "send" and not shut:
            shut.append(asyncio.create_task(client.shutdown()))

    client = anocm.Client(relay.url, transport=MeddlingTransport(relay.url, ends))
    room = client.create("Alice")
    await until(room, RoomEvent.ENDED)
    await shut[0]


@scenario
async def test_a_cut_connection_is_made_again(relay: Relay) -> None:
    transport = WebSocketTransport(relay.url)
    links: list[WebSocketLink] = []
    connect = transport.connect

    async def noted() -> WebSocketLink:
        links.append(await connect())
        return links[-1]

    transport.connect = noted  # type: ignore[method-assign]
    async with anocm.Client(relay.url, transport=transport) as client:
        async with client.create("Alice") as alice, anocm.join(link(alice), "Bob") as bob:
            links[0]._socket.transport.abort()
            await until(alice, RoomEvent.CONNECTION, is_waiting)
            bob.send("while you were away")
            await hears(alice, "while you were away")
    assert transport.links == 2


@scenario
async def test_a_connection_is_made_anew_when_asked(relay: Relay) -> None:
    transport = WebSocketTransport(relay.url)
    async with anocm.Client(relay.url, transport=transport) as client:
        async with client.create("Alice") as alice, anocm.join(link(alice), "Bob") as bob:
            client.reconnect()
            bob.send("meanwhile")
            await hears(alice, "meanwhile")
            alice.reconnect()
            alice.send("here again")
            await hears(bob, "here again")
    assert transport.links == 3


@scenario
async def test_a_transport_that_hangs(relay: Relay) -> None:
    started: asyncio.Queue[None] = asyncio.Queue()
    ended: asyncio.Queue[None] = asyncio.Queue()

    class Hangs:
        async def connect(self) -> WebSocketLink:
            started.put_nowait(None)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.put_nowait(None)
            raise AssertionError

    client = anocm.Client(relay.url, transport=Hangs())
    room = client.create("Alice")
    for _ in range(5):
        await started.get()
        client.reconnect()
        # The attempt that the library no longer waits for.
        await ended.get()
    await client.shutdown()
    assert room.view.ended == anocm.Ended.WIPED()
    # The last attempt, if it had begun.
    while ended.qsize() < started.qsize():
        await ended.get()


@scenario
async def test_a_link_whose_close_waits_for_the_client(relay: Relay) -> None:
    class Waits(WebSocketLink):
        async def close(self) -> None:
            await super().close()
            await client.shutdown()

    class Transport(WebSocketTransport):
        async def connect(self) -> WebSocketLink:
            return Waits((await super().connect())._socket)

    client = anocm.Client(relay.url, transport=Transport(relay.url))
    room = client.create("Alice")
    await room.entered()
    await client.shutdown()
    assert room.view.ended == anocm.Ended.WIPED()


@scenario
async def test_one_client_for_one_transport(relay: Relay) -> None:
    host = anocm._native.HostTransport()
    first = anocm._native.Client.over(relay.url, host)
    with pytest.raises(AnocmError.TransportInUse):
        anocm._native.Client.over(relay.url, host)
    await first.shutdown()
    assert await host.dial() is None


def is_waiting(event: RoomEvent.CONNECTION) -> bool:
    return isinstance(event.state, anocm.Connection.WAITING)
