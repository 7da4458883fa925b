"""Programs that end, and what remains in a process when rooms have ended."""

import asyncio
import gc
import os
import subprocess
import sys
import time

import anocm
import pytest
from conftest import Relay, link, resident, scenario, threads, until

EXITS = {
    "in good order": """
async def main():
    async with anocm.create(relay, "Alice") as alice:
        alice.send("x")
asyncio.run(main())
""",
    "with a room still open": """
async def main():
    global client, room
    client = anocm.Client(relay)
    room = client.create("Alice")
    await room.entered()
asyncio.run(main())
""",
    "in the middle of a wait": """
async def main():
    async with anocm.create(relay, "Alice") as alice:
        asyncio.get_running_loop().call_later(0.05, sys.exit)
        async for event in alice:
            pass
asyncio.run(main())
""",
    "cancelled": """
async def main():
    async with anocm.create(relay, "Alice") as alice:
        asyncio.get_running_loop().call_later(0.05, asyncio.current_task().cancel)
        async for event in alice:
            pass
try:
    asyncio.run(main())
except asyncio.CancelledError:
    pass
""",
    "with a wait in another thread": """
async def bot():
    async with anocm.create(relay, "Bot") as room:
        entered.set()
        async for event in room:
            room.send("x")
entered = threading.Event()
threading.Thread(target=lambda: asyncio.run(bot()), daemon=True).start()
entered.wait()
""",
    "with a loop that is never closed": """
async def bot():
    room = anocm.create(relay, "Bot")
    await room.entered()
    asyncio.ensure_future(talk(room))
async def talk(room):
    async for event in room:
        room.send("x")
asyncio.new_event_loop().run_until_complete(bot())
""",
    "without an event loop": """
client = anocm.Client(relay)
room = client.create("Alice")
""",
}


@pytest.mark.parametrize("how", EXITS)
def test_a_program_ends(relay: Relay, how: str) -> None:
    program = f"import anocm, asyncio, sys, threading\nrelay = {relay.url!r}\n{EXITS[how]}"
    # Warnings about resources left open are enabled, except for programs that leave some open on
    # purpose. Not with `-X dev`, in which asyncio also warns about a slow machine.
    mode = [] if "never" in how or "thread" in how else ["-W", "default", "-X", "faulthandler"]
    # The outcome may depend on timing.
    for _ in range(3):
        ended = subprocess.run(
            [sys.executable, *mode, "-c", program], timeout=30, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        assert not mode or (ended.stdout, ended.stderr) == ("", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_child_that_was_forked_has_rooms_of_its_own(relay: Relay) -> None:
    program = """
import asyncio, os, sys
import anocm

async def visit():
    async with anocm.create(sys.argv[1]) as room:
        assert room.view.me

async def parent():
    async with anocm.create(sys.argv[1]):
        if child := os.fork():
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        # Nothing of the parent's loop is to run here.
        try:
            asyncio._set_running_loop(None)
            asyncio.run(asyncio.wait_for(visit(), 10))
            os._exit(0)
        finally:
            os._exit(1)

sys.exit(asyncio.run(parent()))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, relay.url], timeout=30, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_no_thread_is_left(relay: Relay) -> None:
    @scenario
    async def visit() -> None:
        async with anocm.create(relay.url) as alice, anocm.join(link(alice)):
            assert "anocm" in threads()

    # Earlier tests may have left cyclic garbage, and OpenMLS keeps its threads.
    visit()
    gc.collect()
    before = [name for name in threads() if name != "anocm"]
    for _ in range(10):
        visit()
        # The system may still list a thread that has just been joined.
        until = time.monotonic() + 1
        while threads() != before and time.monotonic() < until:
            time.sleep(0.01)
        assert threads() == before


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_thousand_rooms_leave_no_memory_behind(relay: Relay) -> None:
    async def open_and_close(count: int) -> None:
        async with anocm.Client(relay.url) as client:
            for _ in range(count // 10):
                rooms = [client.create() for _ in range(10)]
                for room in rooms:
                    await room.entered()
                    room.close_for_all()
                    await until(room, anocm.RoomEvent.ENDED)

    asyncio.run(open_and_close(200))
    gc.collect()
    before = resident()
    asyncio.run(open_and_close(1_000))
    gc.collect()
    grown = resident() - before
    print(f"after a thousand rooms: {grown / 1024:.0f} KiB more")
    # An open room takes about twenty times as much.
    assert grown < 2_000_000
