"""Programs that end, and what is left in a process when rooms are over."""

import asyncio
import gc
import subprocess
import sys

import anocm
import pytest
from conftest import Relay, link, resident, scenario, threads, until

EXITS = {
    "in good order": """
async def main():
    async with anocm.create(relay, "Alice") as alice:
        alice.say("x")
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
    "without an event loop": """
client = anocm.Client(relay)
room = client.create("Alice")
""",
}


@pytest.mark.parametrize("how", EXITS)
def test_a_program_ends(relay: Relay, how: str) -> None:
    program = f"import anocm, asyncio, sys\nrelay = {relay.url!r}\n{EXITS[how]}"
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program], timeout=30, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_no_thread_is_left(relay: Relay) -> None:
    @scenario
    async def visit() -> None:
        async with anocm.create(relay.url) as alice, anocm.join(link(alice)):
            assert "anocm" in threads()

    # Earlier tests may have left what only the collector finds.
    gc.collect()
    before = [name for name in threads() if name != "anocm"]
    for _ in range(10):
        visit()
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
    # Open, a room takes some twenty times as much.
    assert grown < 2_000_000
