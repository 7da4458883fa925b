"""The README's example."""

import asyncio
import re
import sys

import anocm
from conftest import ROOT, Relay, hears, link, scenario

README = (ROOT / "README.md").read_text()


@scenario
async def test_the_example_greets_and_prints_what_is_said(relay: Relay) -> None:
    [example] = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    async with anocm.create(relay.url, "Alice") as alice:
        pipe = asyncio.subprocess.PIPE
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-u", "-c", example, stdin=pipe, stdout=pipe
        )
        assert program.stdin is not None and program.stdout is not None
        program.stdin.write(f"{link(alice)}\n".encode())
        said = await hears(alice, "Hello, stranger.")
        assert said.retention == anocm.Retention.KEEP(millis=60_000)
        alice.send("And to you.")
        for line in ("Bot: Hello, stranger.", "Alice: And to you."):
            assert (await program.stdout.readline()).decode() == f"{line}\n"
        # It ends with the room.
        alice.close_for_all()
        assert await program.wait() == 0
