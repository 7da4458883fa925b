"""The example, run as a separate program."""

import asyncio
import re
import signal
import sys
from pathlib import Path

import anocm
from anocm import Departure, RoomEvent
from conftest import Relay, hears, link, named, scenario, until

BOT = Path(__file__).resolve().parents[3] / "examples" / "python" / "bot.py"


async def start(*words: str, line: str = "") -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    bot = await asyncio.create_subprocess_exec(
        sys.executable, str(BOT), *words, stdin=pipe, stdout=pipe, stderr=pipe
    )
    assert bot.stdin is not None
    bot.stdin.write(f"{line}\n".encode())
    return bot


async def said_by_dice(room: anocm.Room) -> anocm.Message:
    event = await until(
        room, RoomEvent.MESSAGE, lambda event: event.message.sender.nickname == "Dice"
    )
    return event.message


@scenario
async def test_a_bot_joins_answers_and_leaves(relay: Relay) -> None:
    async with anocm.create(relay.url, "Alice") as alice:
        bot = await start(line=link(alice))
        await until(alice, RoomEvent.JOINED)
        alice.send("no question")
        alice.send("/roll 3d20", keep=60)
        said = await said_by_dice(alice)
        assert re.fullmatch(r"\d+ \+ \d+ \+ \d+ = \d+", said.text)
        assert said.retention == anocm.Retention.KEEP(millis=60_000)
        alice.whisper(named(alice, "Dice").id, "/roll", keep=0)
        said = await said_by_dice(alice)
        assert said.whispered_to is not None and said.text in "123456"
        assert said.retention == anocm.Retention.LIVE()

        bot.send_signal(signal.SIGTERM)
        assert (await until(alice, RoomEvent.DEPARTED)).how == Departure.LEFT()
        assert await bot.wait() == 0


@scenario
async def test_a_bot_opens_a_room(relay: Relay) -> None:
    bot = await start("--open", relay.url)
    assert bot.stdout is not None
    line = (await bot.stdout.readline()).decode()
    async with anocm.join(line.removeprefix("room: ").strip(), "Bob") as bob:
        assert (await said_by_dice(bob)).text == "Bob, /roll 2d6?"
        bot.send_signal(signal.SIGINT)
        await until(bob, RoomEvent.DEPARTED)
        assert await bot.wait() == 0


@scenario
async def test_a_bot_without_a_link_says_so(relay: Relay) -> None:
    bot = await start(line="hello")
    _, words = await bot.communicate()
    assert bot.returncode == 1
    assert words.decode().startswith("not in the room: ")
