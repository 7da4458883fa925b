package org.anocm

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext
import kotlin.coroutines.ContinuationInterceptor

/**
 * What happens in the room, until it is over for this guest.
 *
 * A room has one subscription at a time: collecting anew ends the collection before and goes on
 * where that one stopped. Nothing is lost when a collection is cancelled. Whoever has a room
 * collects: events that are not fetched make the client stop reading from its connection after a
 * while, for all its rooms.
 */
public val Room.events: Flow<RoomEvent>
    get() = flow {
        subscribe().use { events ->
            // What was ready may have expired by the time it is taken.
            while (dispatched { events.ready() }) events.take()?.let { emit(it) }
        }
    }

/**
 * Enters a room with a client of its own, and runs [block] once the guest is in. At the end of it,
 * however it ends, the guest leaves in good order, and everything of the room is wiped on this side.
 *
 * While the relay cannot be reached this goes on waiting.
 *
 * @throws AnocmException when the link is none, or the guest is not let in
 */
public suspend fun <T> joinRoom(
    link: String,
    nickname: String = "guest",
    options: ClientOptions? = null,
    block: suspend (Room) -> T,
): T = Client.forLink(link, options).visit({ join(link, nickname) }, block)

/**
 * Opens a room at [relay] with a client of its own, and runs [block] once it is open. At the end of
 * it, however it ends, the guest leaves in good order, and everything of the room is wiped on this
 * side.
 *
 * @throws AnocmException when [relay] is no address, or the relay does not want the room
 */
public suspend fun <T> createRoom(
    relay: String,
    room: NewRoom = NewRoom(),
    options: ClientOptions? = null,
    block: suspend (Room) -> T,
): T = Client(relay, options).visit({ create(room) }, block)

private suspend fun <T> Client.visit(
    open: Client.() -> Room,
    block: suspend (Room) -> T,
): T = use { client ->
    try {
        client.open().use { room ->
            try {
                dispatched { room.entered() }
                block(room)
            } finally {
                withContext(NonCancellable) { dispatched { room.leave() } }
            }
        }
    } finally {
        withContext(NonCancellable) { dispatched { client.shutdown() } }
    }
}

/** Goes on where it was called, or, where that is nowhere, on no thread of the library's. */
private suspend fun <T> dispatched(wait: suspend () -> T): T =
    if (currentCoroutineContext()[ContinuationInterceptor] == null) {
        withContext(Dispatchers.Default) { wait() }
    } else {
        wait()
    }
