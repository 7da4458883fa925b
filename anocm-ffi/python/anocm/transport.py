"""The interface for a program's own transport."""

from __future__ import annotations

import asyncio
from typing import Optional, Protocol, Sequence

from ._native import Dial, HostTransport, Pipe, TransportFailure


class TransportError(Exception):
    """A connection attempt failed, or a connection was lost. Guests see the `failure`."""

    def __init__(self, failure: TransportFailure = TransportFailure.CUT) -> None:
        super().__init__(failure.name)
        self.failure = failure


class Link(Protocol):
    """One open connection to a relay: whole frames, in order, both ways."""

    async def send(self, frames: Sequence[bytes]) -> None:
        """Sends frames, each whole and in this order. Raises on failure."""

    async def receive(self) -> Optional[bytes]:
        """The next frame; `None` after a clean close by the relay. Raises when the link is dead."""

    async def close(self) -> None:
        """Closes the connection. Called once, at the end, in every case.

        It is cancelled after a timeout of five seconds.
        """


class Transport(Protocol):
    """A connection to a relay that the program implements.

    All its code runs on the event loop in which the client was created. Guests see every exception
    raised here as a lost connection, and the client reconnects.
    """

    async def connect(self) -> Link:
        """Opens a connection. Raises `TransportError` on failure.

        It is cancelled when it takes longer than the library's timeout.
        """
        ...


#: The timeout for closing a connection, in seconds.
_CLOSING = 5


async def serve(host: HostTransport, transport: Transport) -> None:
    """Connects whenever the library requests it, until its client has ended."""
    links: set[asyncio.Task[None]] = set()
    try:
        while (dial := await host.dial()) is not None:
            link = asyncio.create_task(_carry(dial, transport))
            links.add(link)
            link.add_done_callback(links.discard)
    finally:
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)


async def _carry(dial: Dial, transport: Transport) -> None:
    try:
        link = await _connect(dial, transport)
    except BaseException as error:
        dial.failed(_failure(error, TransportFailure.UNREACHABLE))
        if isinstance(error, Exception):
            return
        raise
    pipe = dial.connected()
    out = asyncio.create_task(_send(pipe, link))
    back = asyncio.create_task(_receive(pipe, link))
    why: Optional[TransportFailure] = TransportFailure.CUT
    try:
        # The library closes, the relay closes, or one of the two fails.
        done, _ = await asyncio.wait({out, back}, return_when=asyncio.FIRST_COMPLETED)
        errors = [task.exception() for task in done]
        why = next((_failure(error) for error in errors if error), None)
    finally:
        pipe.ended(why)
        for task in (out, back):
            task.cancel()
        await asyncio.gather(out, back, return_exceptions=True)
        try:
            await asyncio.wait_for(link.close(), _CLOSING)
        except Exception:
            # An error is ignored: the connection is closed either way.
            pass


async def _connect(dial: Dial, transport: Transport) -> Link:
    """Connects. Cancels the attempt when the library no longer waits for it."""
    connecting = asyncio.ensure_future(transport.connect())
    given_up = asyncio.ensure_future(dial.given_up())
    try:
        await asyncio.wait({connecting, given_up}, return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done():
            raise TransportError(TransportFailure.UNREACHABLE)
        return connecting.result()
    finally:
        connecting.cancel()
        given_up.cancel()


async def _send(pipe: Pipe, link: Link) -> None:
    while (frames := await pipe.outgoing()) is not None:
        await link.send(frames)


async def _receive(pipe: Pipe, link: Link) -> None:
    while (frame := await link.receive()) is not None:
        if not await pipe.incoming(bytes(frame)):
            return


def _failure(
    error: BaseException, otherwise: TransportFailure = TransportFailure.CUT
) -> TransportFailure:
    return error.failure if isinstance(error, TransportError) else otherwise
