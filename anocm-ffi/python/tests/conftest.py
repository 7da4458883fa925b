"""A relay for the tests, and helpers that scenarios share."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import subprocess
from pathlib import Path
from typing import Any, Awaitable, Callable, Iterator, Type, TypeVar

import anocm
import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = Path(os.environ.get("ANOCM_PROGRAMS", ROOT / "target" / "debug"))

T = TypeVar("T")


class Relay:
    """An `anocm-server` in a separate process."""

    def __init__(self, *words: str) -> None:
        self._process = subprocess.Popen(
            [PROGRAMS / "anocm-server", "--listen", "127.0.0.1:0", *words],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), line
        self.url = line.removeprefix("listening on ").strip()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="session")
def relay() -> Iterator[Relay]:
    """One for all tests: rooms are independent of each other."""
    # Tests open more rooms than the default rate limits allow.
    relay = Relay("--creations-per-minute", "1000000", "--requests-per-second", "1000000")
    yield relay
    relay.stop()


def scenario(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs a test on a separate event loop. It fails after half a minute."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(asyncio.wait_for(test(**fixtures), 30))

    return run


async def until(room: anocm.Room, kind: Type[T], is_it: Callable[[T], bool] = lambda _: True) -> T:
    """Waits for the next event of this kind that fulfils the condition."""
    async for event in room:
        if isinstance(event, kind) and is_it(event):
            return event
    raise AssertionError(f"the room ended before a {kind.__name__}")


async def hears(room: anocm.Room, text: str) -> anocm.Message:
    """Waits for the next message with this text."""
    said = await until(room, anocm.RoomEvent.MESSAGE, lambda event: event.message.text == text)
    return said.message


async def online(room: anocm.Room) -> None:
    """Waits until connected and up to date."""
    if not isinstance(room.view.connection, anocm.Connection.ONLINE):
        kind = anocm.RoomEvent.CONNECTION
        await until(room, kind, lambda event: isinstance(event.state, anocm.Connection.ONLINE))


def link(room: anocm.Room) -> str:
    """The invite link."""
    link = room.view.link
    assert link is not None
    return link


def named(room: anocm.Room, nickname: str) -> anocm.Member:
    """The one member of this name."""
    [member] = [member for member in room.view.members if member.nickname == nickname]
    return member


def threads() -> list[str]:
    """The names of all threads of this process, those of the library included."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        # A thread may end meanwhile.
        with contextlib.suppress(OSError):
            names.append((task / "comm").read_text().strip())
    return sorted(names)


def resident() -> int:
    """The resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
