"""Errors, and how they are reported to a program."""

import asyncio

import anocm
import pytest
from anocm import AnocmError, Ended, JoinFailure, RoomEvent
from conftest import Relay, link, scenario, until

LINK = "http://127.0.0.1:9/#"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", AnocmError.BadLink),
        ("hello", AnocmError.BadLink),
        ("ftp://relay.example/#x", AnocmError.BadLink),
        ("https://relay.example/", AnocmError.LinkIncomplete),
        ("https://relay.example/#", AnocmError.LinkIncomplete),
        ("http://relay.example/#x", AnocmError.LinkUnencrypted),
        ("https://relay.example/#\x00\ud7ff", AnocmError),
    ],
)
def test_bad_links(text: str, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        anocm.join(text, "Bob")
    assert isinstance(raised.value, AnocmError)
    assert str(raised.value)


@scenario
async def test_damaged_links(relay: Relay) -> None:
    async with anocm.create(relay.url, "Alice") as alice:
        good = link(alice)
        last = "A" if good[-1] != "A" else "B"
        with pytest.raises(AnocmError.LinkDamaged):
            anocm.join(good[:-1] + last, "Bob")
        with pytest.raises(AnocmError.LinkIncomplete):
            anocm.join(good[:-4], "Bob")
        with pytest.raises(AnocmError.OtherRelay):
            anocm.Client("https://elsewhere.example/").join(good, "Bob")


@scenario
async def test_rooms_that_are_no_more(relay: Relay) -> None:
    async with anocm.create(relay.url, "Alice") as alice:
        old = link(alice)
        alice.replace_invite()
        await until(alice, RoomEvent.INVITE_REPLACED)
        with pytest.raises(AnocmError.LinkReplaced):
            async with anocm.join(old, "Bob"):
                pass
        gone = link(alice)
        alice.close_for_all()
        await until(alice, RoomEvent.ENDED)
        with pytest.raises(AnocmError.NotInRoom):
            alice.send("too late")
        with pytest.raises(AnocmError.RoomOver):
            await alice.entered()
    late = anocm.join(gone, "Bob")
    with pytest.raises(AnocmError.NoSuchRoom):
        await late.entered()
    ended = await until(late, RoomEvent.ENDED)
    assert ended.why == Ended.NOT_LET_IN(why=JoinFailure.NO_SUCH_ROOM())
    await late.aclose()


@scenario
async def test_what_cannot_be_said(relay: Relay) -> None:
    async with anocm.create(relay.url, "Alice") as alice, anocm.join(link(alice), "Bob") as bob:
        with pytest.raises(AnocmError.EmptyMessage):
            alice.send("")
        with pytest.raises(AnocmError.TooLong):
            alice.send("x" * 20_000)
        with pytest.raises(AnocmError.NoSuchMember):
            alice.whisper("00" * 16, "nobody")
        with pytest.raises(AnocmError.NoSuchMember):
            alice.whisper("not an id", "nobody")
        for keep in (0.5, -1, float("nan"), float("inf"), 31 * 86_400, 10**300):
            with pytest.raises(AnocmError.BadRetention):
                alice.send("x", keep=keep)
        with pytest.raises(AnocmError.NotAllowed):
            bob.close_for_all()
        with pytest.raises(AnocmError.NotAllowed):
            bob.remove(alice.view.me or "")
        with pytest.raises(AnocmError.BadNickname):
            bob.rename(" ")
        with pytest.raises(AnocmError.BeyondPolicy):
            year = anocm.Retention.KEEP(millis=2_592_000_000)
            alice.set_room_retention(anocm.RoomRetention(min_retention=year, default_retention=year, max_retention=year))


@scenario
async def test_clients_that_cannot_be(relay: Relay) -> None:
    for nickname in ("", " ", "x" * 33):
        with pytest.raises(AnocmError.BadNickname):
            anocm.Client(relay.url).create(nickname)
    with pytest.raises(AnocmError.BadProxy):
        anocm.Client(relay.url, options=anocm.ClientOptions(socks5="nowhere"))
    with pytest.raises(AnocmError.BadCertificate):
        anocm.Client("https://relay.example/", options=anocm.ClientOptions(extra_roots=[b"none"]))
    with pytest.raises(AnocmError.OnionNeedsProxy):
        anocm.Client(f"http://{'a' * 56}.onion/")
    with pytest.raises(AnocmError.BadSettings):
        anocm.Client(relay.url, options=anocm.ClientOptions(max_history=0))
    client = anocm.Client(relay.url)
    with pytest.raises(AnocmError.BadSettings):
        client.create(max_age_seconds=0)
    with pytest.raises(AnocmError.BadSettings):
        client.create(linger_seconds=0)
    with pytest.raises(AnocmError.BadSettings):
        client.create(max_entries=0)
    async with client.create("Alice") as alice:
        twice = link(alice)
        with pytest.raises(AnocmError.AlreadyThere):
            client.join(twice, "Again")
    await client.shutdown()
    with pytest.raises(AnocmError.ShutDown):
        client.create("Alice")


@scenario
async def test_a_relay_that_is_not_there() -> None:
    async with anocm.Client("http://127.0.0.1:9/") as client:
        room = client.create("Alice")
        event = await until(
            room,
            RoomEvent.CONNECTION,
            lambda event: isinstance(event.state, anocm.Connection.WAITING),
        )
        assert isinstance(event.state, anocm.Connection.WAITING)
        assert event.state.why == anocm.TransportFailure.UNREACHABLE
        # The client retries until the room is dropped.
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(room.entered(), 0.1)
        with pytest.raises(AnocmError.NotInRoom):
            room.typing()
    with pytest.raises(AnocmError.RoomOver):
        await room.entered()


@scenario
async def test_nothing_is_shown_by_accident(relay: Relay) -> None:
    async with anocm.create(relay.url, "Alice") as alice:
        alice.send("SECRET")
        alice.send_custom(1, b"SECRET")
        said = await until(alice, RoomEvent.MESSAGE)
        custom = await until(alice, RoomEvent.CUSTOM)
        for value in (said, said.message, custom, alice.view, alice.view.members[0], alice.view.safety):
            for text in (str(value), repr(value), f"{value}"):
                assert "SECRET" not in text and "Alice" not in text and "#" not in text
                assert (alice.view.safety.words[0] if alice.view.safety else "") not in text
