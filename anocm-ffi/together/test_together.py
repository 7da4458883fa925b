"""Guests in different languages share one room: Python here, the others as separate programs."""

from __future__ import annotations

import asyncio
import os
import re

import anocm
from anocm import Departure, RoomEvent
from conftest import PROGRAMS, Relay, hears, link, named, scenario, until

#: The commands that start a guest, which reads a room's link. Its nickname is appended.
GUESTS = {"Rust": [f"{PROGRAMS}/anocm", "join", "-", "--plain", "--nick"]}
for _line in os.environ["ANOCM_GUESTS"].splitlines():
    _name, _program = _line.split("=", 1)
    GUESTS[_name.title()] = [_program]


class Guest:
    """A program that acts as a guest."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lines: list[str] = []

    @classmethod
    async def start(cls, name: str, room: str) -> Guest:
        pipe = asyncio.subprocess.PIPE
        words = [*GUESTS[name], name]
        guest = cls(await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe))
        guest.says(room)
        await guest.prints("safety: ")
        return guest

    def says(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def prints(self, part: str) -> str:
        """Waits for the next line that contains this text."""
        assert self._process.stdout is not None
        while line := (await self._process.stdout.readline()).decode().rstrip("\n"):
            self._lines.append(line)
            if part in line:
                return line
        raise AssertionError(f"it ended before it printed {part!r}")

    @property
    def heard(self) -> list[str]:
        """The messages in its output: `<NAME #TAG> TEXT  [KEPT]` or `NAME #TAG: TEXT`."""
        pattern = re.compile(r"(?:\(whisper\) )?<?(\w+) #\w{4}[>:] (.*?)(?:  \[\w+\])?")
        said = map(pattern.fullmatch, self._lines)
        return [f"{line[1]}: {line[2]}" for line in said if line]

    async def ends(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.communicate()
        return await self._process.wait()

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()


def test_there_are_guests_in_other_languages() -> None:
    assert {"Rust", "Kotlin"} <= set(GUESTS)


@scenario
async def test_all_talk_in_one_room(relay: Relay) -> None:
    guests: dict[str, Guest] = {}
    try:
        async with anocm.create(relay.url, "Python") as python:
            for name in GUESTS:
                guests[name] = await Guest.start(name, link(python))
                await until(python, RoomEvent.JOINED, lambda event: event.member.nickname == name)

            # All have the same safety code.
            safety = " ".join(python.view.safety.words if python.view.safety else ())
            for name, guest in guests.items():
                # The last guest to join has printed it already.
                if name != list(guests)[-1]:
                    await guest.prints(safety)

            # Each receives all messages, and all in the same order.
            said = []
            python.send("Hello from Python.", keep=60)
            await hears(python, "Hello from Python.")
            for name, guest in guests.items():
                guest.says(f"Hello from {name}: äöü 🦀.")
                said.append((await hears(python, f"Hello from {name}: äöü 🦀.")).sender.nickname)
            assert said == list(guests)
            expected = [
                "Python: Hello from Python.",
                *(f"{name}: Hello from {name}: äöü 🦀." for name in guests),
            ]
            for guest in guests.values():
                await guest.prints(f"Hello from {said[-1]}")
                assert guest.heard == expected

            # Messages that only one of them may read.
            for name in guests:
                python.whisper(named(python, name).id, f"psst, {name}")
            python.send("And to all.")
            for name, guest in guests.items():
                assert "whisper" in await guest.prints(f"psst, {name}")
                await guest.prints("And to all.")
                assert guest.heard[len(expected):] == [f"Python: psst, {name}", "Python: And to all."]

            # One is removed, one leaves, and for the rest the owner ends the room.
            removed, *rest = guests
            python.remove(named(python, removed).id)
            me = python.view.me or ""
            departed = await until(python, RoomEvent.DEPARTED)
            assert departed.how == Departure.REMOVED(by=me)
            for name in rest[:1]:
                assert await guests[name].ends() == 0
                departed = await until(python, RoomEvent.DEPARTED)
                assert (departed.member.nickname, departed.how) == (name, Departure.LEFT())
            python.close_for_all()
            await until(python, RoomEvent.ENDED)
            for name in rest[1:]:
                assert await guests[name].ends() == 0
    finally:
        for guest in guests.values():
            guest.kill()
