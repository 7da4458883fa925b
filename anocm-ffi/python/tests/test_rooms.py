"""The use of rooms."""

import asyncio
from datetime import timedelta

import anocm
from anocm import Confirmation, Departure, Ended, Retention, Role, RoomEvent
from conftest import Relay, hears, link, named, online, scenario, until


@scenario
async def test_create_and_talk(relay: Relay) -> None:
    async with anocm.create(relay.url, "Alice") as alice:
        async with anocm.join(link(alice), "Bob") as bob:
            id = bob.send("Hello, stranger.")
            said = await hears(alice, "Hello, stranger.")
            assert (said.id, said.sender.nickname, said.own) == (id, "Bob", False)
            own = await hears(bob, "Hello, stranger.")
            assert (own.id, own.own) == (id, True)
            assert [said.id for said in alice.history] == [id]


@scenario
async def test_join_by_link(relay: Relay) -> None:
    async with anocm.create(relay.url, "Alice") as alice:
        async with anocm.join(link(alice), "Bob") as bob:
            joined = await until(alice, RoomEvent.JOINED)
            assert (joined.member.nickname, joined.again) == ("Bob", False)
            confirmed = await until(bob, RoomEvent.CONFIRMED)
            assert confirmed.by.nickname == "Alice"
            a, b = alice.view, bob.view
            assert isinstance(a.confirmation, Confirmation.OPENED)
            assert isinstance(b.confirmation, Confirmation.CONFIRMED)
            assert b.confirmation.by.id == a.me
            assert a.safety == b.safety and a.safety is not None
            assert (len(a.safety.words), len(a.safety.emoji)) == (12, 6)
            assert [member.id for member in a.members] == [member.id for member in b.members]
            assert [member.role for member in a.members] == [Role.OWNER, Role.MEMBER]
            assert b.me == named(alice, "Bob").id
            assert b.posture in anocm.Posture
        departed = await until(alice, RoomEvent.DEPARTED)
        assert departed.how == Departure.LEFT()


@scenario
async def test_retention_and_expiry(relay: Relay) -> None:
    async with anocm.create(relay.url, "Alice") as alice, anocm.join(link(alice), "Bob") as bob:
        id = bob.send("short", keep=timedelta(seconds=3))
        await hears(bob, "short")
        said = await hears(alice, "short")
        assert said.retention == Retention.KEEP(millis=3_000)
        assert said.expires_in_millis is not None and said.expires_in_millis <= 3_000
        for room in (alice, bob):
            expired = await until(room, RoomEvent.EXPIRED)
            assert expired.id == id
            assert room.history == []

        # Zero is live: delivered, never stored.
        bob.send("live", keep=0)
        said = await hears(alice, "live")
        assert said.retention == Retention.LIVE()
        assert said.expires_in_millis is None
        assert alice.history == []

        # A guest's own cap also limits received messages.
        alice.set_guest_retention(cap=2)
        bob.send("capped", keep=60)
        assert (await hears(alice, "capped")).retention == Retention.KEEP(millis=2_000)


@scenario
async def test_whisper_and_content_of_ones_own(relay: Relay) -> None:
    async with anocm.create(relay.url, "Alice") as alice, anocm.join(link(alice), "Bob") as bob:
        await until(alice, RoomEvent.JOINED)
        alice.whisper(named(alice, "Bob").id, "psst")
        said = await hears(bob, "psst")
        assert said.whispered_to is not None and said.whispered_to.nickname == "Bob"

        alice.send_custom(7, b"\x00\xff")
        custom = await until(bob, RoomEvent.CUSTOM)
        assert (custom.sender.nickname, custom.kind, custom.body) == ("Alice", 7, b"\x00\xff")


@scenario
async def test_typing_presence_and_names(relay: Relay) -> None:
    async with anocm.create(relay.url, "Alice") as alice, anocm.join(link(alice), "Bob") as bob:
        await until(alice, RoomEvent.JOINED)
        # Typing notifications are dropped rather than queued.
        await online(bob)
        bob.typing()
        typing = await until(alice, RoomEvent.TYPING)
        assert typing.member == bob.view.me
        assert bob.view.me in alice.view.here

        bob.rename("Robert")
        renamed = await until(alice, RoomEvent.RENAMED)
        assert (renamed.before, renamed.member.nickname) == ("Bob", "Robert")


@scenario
async def test_roles_and_what_a_room_allows(relay: Relay) -> None:
    async with anocm.create(relay.url, "Alice") as alice, anocm.join(link(alice), "Bob") as bob:
        await until(alice, RoomEvent.JOINED)
        alice.set_role(named(alice, "Bob").id, Role.MODERATOR)
        await until(bob, RoomEvent.SETTINGS_CHANGED)
        assert named(bob, "Bob").role == Role.MODERATOR

        minute = Retention.KEEP(millis=60_000)
        allowed = anocm.RoomRetention(
            min_retention=Retention.LIVE(), default_retention=Retention.LIVE(), max_retention=minute
        )
        alice.set_room_retention(allowed)
        await until(bob, RoomEvent.SETTINGS_CHANGED)
        assert bob.view.retention == allowed

        before = link(bob)
        bob.replace_invite()
        await until(alice, RoomEvent.INVITE_REPLACED)
        assert link(alice) != before

        epoch = alice.view.epoch
        bob.refresh_keys()
        while alice.view.epoch == epoch:
            await until(alice, RoomEvent.EPOCH_BEGAN)


@scenario
async def test_remove(relay: Relay) -> None:
    async with anocm.create(relay.url, "Alice") as alice:
        bob = anocm.join(link(alice), "Bob")
        await bob.entered()
        await until(alice, RoomEvent.JOINED)
        old, me = link(alice), alice.view.me or ""
        alice.remove(named(alice, "Bob").id)
        ended = await until(bob, RoomEvent.ENDED)
        assert ended.why == Ended.REMOVED(by=me)
        assert [event async for event in bob] == []
        departed = await until(alice, RoomEvent.DEPARTED)
        assert departed.how == Departure.REMOVED(by=me)
        assert link(alice) != old
        await bob.aclose()


@scenario
async def test_close_for_all(relay: Relay) -> None:
    async with anocm.create(relay.url, "Alice") as alice, anocm.join(link(alice), "Bob") as bob:
        # A guest who is offline when the room is closed only finds that it no longer exists.
        await online(bob)
        alice.close_for_all()
        for room in (alice, bob):
            assert (await until(room, RoomEvent.ENDED)).why == Ended.CLOSED()
            assert room.view.ended == Ended.CLOSED()
            assert room.history == [] and room.view.members == []


@scenario
async def test_shutdown(relay: Relay) -> None:
    client = anocm.Client(relay.url)
    rooms = [client.create("Alice") for _ in range(3)]
    for room in rooms:
        await room.entered()
    waiting = asyncio.create_task(until(rooms[0], RoomEvent.ENDED))
    await client.shutdown()
    assert (await waiting).why == Ended.WIPED()
    for room in rooms:
        assert room.view.ended == Ended.WIPED()
    await client.shutdown()


@scenario
async def test_a_room_whose_end_is_not_awaited(relay: Relay) -> None:
    # No events are fetched, and no guest leaves: the library ends rooms that are dropped.
    client = anocm.Client(relay.url)
    room = client.create("Alice")
    await room.entered()
    other = client.create("Alice")
    other.wipe()
    del room
    await client.shutdown()
