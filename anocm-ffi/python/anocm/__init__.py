"""Anonymous end-to-end encrypted rooms that live in memory only.

    async with anocm.join(link, "Bot") as room:
        room.send("Hello, stranger.")
        async for event in room:
            ...

A `Room` is an async iterator of `RoomEvent`; a `Client` opens and joins several rooms over one
connection. Errors are subclasses of `AnocmError`.
"""

import atexit

from ._native import (
    AnocmError,
    ClientOptions,
    Colour,
    Confirmation,
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

# Calls from other threads may crash Python once it is shutting down.
atexit.register(end_threads)

__all__ = [
    "AnocmError",
    "Client",
    "ClientOptions",
    "Colour",
    "Confirmation",
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
