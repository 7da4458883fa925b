"""A transport of the program's own: how a relay is reached."""

from __future__ import annotations

import asyncio
from typing import Optional, Protocol, Sequence

from ._native import Dial, HostTransport, Pipe, TransportFailure


class TransportError(Exception):
    """A connection that does not come about, or has been lost. Guests see the `failure`."""

    def __init__(self, failure: TransportFailure = TransportFailure.CUT) -> None:
        super().__init__(failure.name)
        self.failure = failure


class Link(Protocol):
    """One open connection to a relay: whole frames, in order, both ways."""

    async def send(self, frames: Sequence[bytes]) -> None:
        """Sends frames, each whole and in this order. Raises when it cannot."""

    async def receive(self) -> Optional[bytes]:
        """The next frame; `None` after a clean close by the relay. Raises when the link is dead."""

    async def close(self) -> None:
        """Closes the connection. Called once, at the end, whatever came before.

        It has five seconds, and is then cancelled.
        """


class Transport(Protocol):
    """How a relay is reached.

    Everything in it runs on the event loop that the client was made in. What it raises is told to
    the guests as a lost connection, and the client tries again.
    """

    async def connect(self) -> Link:
        """Opens a connection. Raises `TransportError` when it cannot.

        It is cancelled when it takes longer than the library waits.
        """
        ...


#: How long a connection may take to close, in seconds.
_CLOSING = 5


async def serve(host: HostTransport, transport: Transport) -> None:
    """Connects whenever the library wants it, until its client has ended."""
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
            # It is gone either way.
            pass


async def _connect(dial: Dial, transport: Transport) -> Link:
    """Connects for as long as the library waits for it."""
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
