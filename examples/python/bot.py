"""A guest that throws dice: says `/roll`, or `/roll 3d20`, and it answers.

    python bot.py                                   reads a room's link, and joins
    python bot.py --open https://relay.example/     opens a room, and prints its link

Answers are kept as long as the questions, whispers are answered by whispers, and nothing is noted
down.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import signal

import anocm
from anocm import Keep, Message, Room, RoomEvent


def roll(text: str) -> str | None:
    """The answer to a question; `None` for what is none."""
    asked = re.fullmatch(r"/roll(?: (\d{0,2})d(\d{1,3}))?", text.strip())
    if asked is None:
        return None
    dice, sides = int(asked[1] or 1), int(asked[2] or 6)
    if not dice or not sides:
        return "there is no such die"
    thrown = [random.SystemRandom().randint(1, sides) for _ in range(dice)]
    return " + ".join(map(str, thrown)) + (f" = {sum(thrown)}" if dice > 1 else "")


def answer(room: Room, said: Message) -> None:
    """Answers in the manner of the question."""
    if said.own or (text := roll(said.text)) is None:
        return
    tell(room, text, said.retention, None if said.whispered_to is None else said.sender.id)


def tell(room: Room, text: str, keep: Keep, to: str | None = None) -> None:
    """Says something to everyone, or to one member."""
    try:
        if to is None:
            room.send(text, keep=keep)
        else:
            room.whisper(to, text, keep=keep)
    except anocm.AnocmError as error:
        print(f"not said: {error}", flush=True)


async def serve(room: Room) -> None:
    """Answers until the room is over."""
    async with room:
        print(f"room: {room.view.link}", flush=True)
        async for event in room:
            match event:
                case RoomEvent.MESSAGE(message=said):
                    answer(room, said)
                case RoomEvent.JOINED(member=member):
                    # Not live: who has just come in may not be listening yet.
                    tell(room, f"{member.nickname}, /roll 2d6?", keep=60)
                case RoomEvent.ENDED(why=why):
                    print(f"over: {why}", flush=True)


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--open", metavar="RELAY", help="open a room there")
    relay = arguments.parse_args().open
    # A link among the arguments could be read by others on this machine.
    room = anocm.create(relay, "Dice") if relay else anocm.join(input(), "Dice")
    serving = asyncio.ensure_future(serve(room))
    # So that the others hear that it leaves.
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        pass


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except anocm.AnocmError as error:
        raise SystemExit(f"not in the room: {error}") from None
