"""Rooms in which people who give no name talk, end-to-end encrypted, and which leave nothing behind.

    async with anocm.join(link, "Bot") as room:
        room.send("Hello, stranger.")
        async for event in room:
            ...

A `Room` is an async iterator of `RoomEvent`; a `Client` opens and enters several over one
connection. What goes wrong is an `AnocmError`, whose subclasses say what.
"""

import atexit

from ._native import (
    AnocmError,
    ClientOptions,
    Colour,
    Connection,
    Departure,
    Ended,
    GuestRetention,
    JoinFailure,
    Member,
    Message,
    Posture,
    Retention,
    Role,
    RoomEvent,
    RoomRetention,
    RoomView,
    SafetyCode,
    SendFailure,
    TransportFailure,
    Trouble,
    end_threads,
    library_version,
)
from .client import Client, create, join
from .keep import Keep, keep
from .room import Room
from .transport import Link, Transport, TransportError

__version__ = library_version()

# Python does not survive to be called by other threads once it ends.
atexit.register(end_threads)

__all__ = [
    "AnocmError",
    "Client",
    "ClientOptions",
    "Colour",
    "Connection",
    "Departure",
    "Ended",
    "GuestRetention",
    "JoinFailure",
    "Keep",
    "Link",
    "Member",
    "Message",
    "Posture",
    "Retention",
    "Role",
    "Room",
    "RoomEvent",
    "RoomRetention",
    "RoomView",
    "SafetyCode",
    "SendFailure",
    "Transport",
    "TransportError",
    "TransportFailure",
    "Trouble",
    "create",
    "join",
    "keep",
]
