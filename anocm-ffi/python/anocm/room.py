"""A guest's room."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Optional, Type

from . import _native
from ._native import GuestRetention, Message, Role, RoomEvent, RoomRetention, RoomView
from .keep import Keep, keep as retention

if TYPE_CHECKING:
    from .client import Client


class Room:
    """A guest's room: an async iterator of its events.

    As a context manager it waits until the guest has joined, and leaves at the end. When it is
    deleted, everything of the room is wiped on this side, without notice to the other members.

    The program must keep fetching events: when they are not fetched, backpressure makes the client
    stop reading from its connection, for all its rooms. No event is dropped.
    """

    def __init__(self, native: _native.Room, client: Optional[Client] = None) -> None:
        self._native = native
        self._events = native.subscribe()
        # A client for this room alone, which ends with it.
        self._client = client

    async def entered(self) -> None:
        """Waits until the guest is in the room and can send. Takes no event.

        While the relay cannot be reached, this keeps waiting. Raises `AnocmError` when the guest
        could not join, or the room has ended.
        """
        await self._native.entered()

    def __aiter__(self) -> Room:
        return self

    async def __anext__(self) -> RoomEvent:
        while await self._events.ready():
            # A message may have expired meanwhile.
            if (event := self._events.take()) is not None:
                return event
        raise StopAsyncIteration

    async def __aenter__(self) -> Room:
        try:
            await self.entered()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leaves, and ends a client for this room alone: the end of an `async with`."""
        try:
            await self.leave()
        finally:
            await self._end()

    async def _end(self) -> None:
        self.wipe()
        if self._client is not None:
            await self._client.shutdown()

    @property
    def view(self) -> RoomView:
        """The room's state: members, link, safety code, posture …"""
        return self._native.view()

    @property
    def history(self) -> list[Message]:
        """The messages that are still kept, in order."""
        return self._native.history()

    def send(self, text: str, *, keep: Optional[Keep] = None) -> str:
        """Sends a message to all members, at most 15,000 bytes.

        It is kept for `keep`, else for this guest's default, else for the room's. Returns its id
        at once; later there is an event with one's own message when it is in the room's log, or an
        event that it was not sent. Raises `AnocmError` when it cannot be sent; the state is
        unchanged then.
        """
        return self._native.send(text, _wish(keep))

    def whisper(self, to: str, text: str, *, keep: Optional[Keep] = None) -> str:
        """Sends a message that only the member with the id `to` can read. Otherwise like `send`."""
        return self._native.whisper(to, text, _wish(keep))

    def send_custom(self, kind: int, body: bytes, *, keep: Optional[Keep] = None) -> str:
        """Sends application-defined content, at most 15,000 bytes, with a kind from 0 to 65535."""
        return self._native.send_custom(kind, body, _wish(keep))

    def typing(self) -> None:
        """Notifies the other members that this guest is typing."""
        self._native.typing()

    def rename(self, nickname: str) -> None:
        """Changes this guest's nickname."""
        self._native.rename(nickname)

    def remove(self, member: str) -> None:
        """Removes a member and replaces the invite. Owner and moderators only."""
        self._native.remove(member)

    def set_role(self, member: str, role: Role) -> None:
        """Makes a member a moderator, or a moderator a member, which replaces the invite. Owner only."""
        self._native.set_role(member, role)

    def set_room_retention(self, retention: RoomRetention) -> None:
        """Changes the room's retention limits. Owner only."""
        self._native.set_room_retention(retention)

    def set_guest_retention(
        self, *, default: Optional[Keep] = None, cap: Optional[Keep] = None
    ) -> None:
        """Changes this guest's own default and cap; messages already held are cut at once."""
        self._native.set_guest_retention(
            GuestRetention(default_retention=_wish(default), cap=_wish(cap))
        )

    def replace_invite(self) -> None:
        """Replaces the invite: the old link no longer works. Owner and moderators only."""
        self._native.replace_invite()

    def refresh_keys(self) -> None:
        """Commits fresh keys now; each member also does this regularly by itself."""
        self._native.refresh_keys()

    async def leave(self) -> None:
        """Leaves properly when connected, and waits until that is done: five seconds at most."""
        await self._native.leave()

    def close_for_all(self) -> None:
        """Ends the room for all members. Owner only."""
        self._native.close_for_all()

    def reconnect(self) -> None:
        """Drops any connection and reconnects at once, for all rooms of the client.

        Use it when the network has changed or the program was asleep. Nothing is lost.
        """
        self._native.reconnect()

    def wipe(self) -> None:
        """Wipes everything of this room on this side, at once."""
        self._native.wipe()


def _wish(keep: Optional[Keep]) -> Optional[_native.Retention]:
    return None if keep is None else retention(keep)
