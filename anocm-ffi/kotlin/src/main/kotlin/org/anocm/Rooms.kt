package org.anocm

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext
import kotlin.coroutines.ContinuationInterceptor

/**
 * The events of the room, until it has ended for this guest.
 *
 * A room has one subscription at a time: a new collection ends the previous one and continues where
 * that stopped. Nothing is lost when a collection is cancelled. The program must keep collecting:
 * when events are not fetched, backpressure makes the client stop reading from its connection, for
 * all its rooms.
 */
public val Room.events: Flow<RoomEvent>
    get() = flow {
        subscribe().use { events ->
            // An event that was ready may have expired by the time it is taken.
            while (dispatched { events.ready() }) events.take()?.let { emit(it) }
        }
    }

/**
 * Joins a room with a separate client, and runs [block] once the guest has joined. When the block
 * ends, also by an exception, the guest leaves properly and everything of the room is wiped on this
 * side.
 *
 * While the relay cannot be reached, this keeps waiting.
 *
 * @throws AnocmException when the link is invalid, or the guest could not join
 */
public suspend fun <T> joinRoom(
    link: String,
    nickname: String = "guest",
    options: ClientOptions? = null,
    block: suspend (Room) -> T,
): T = Client.forLink(link, options).visit({ join(link, nickname) }, block)

/**
 * Opens a room at [relay] with a separate client, and runs [block] once it is open. When the block
 * ends, also by an exception, the guest leaves properly and everything of the room is wiped on this
 * side.
 *
 * @throws AnocmException when [relay] is not a relay URL, or the relay refuses the room
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

/** Resumes on the caller's dispatcher; without one, on the default one, not on a library thread. */
private suspend fun <T> dispatched(wait: suspend () -> T): T =
    if (currentCoroutineContext()[ContinuationInterceptor] == null) {
        withContext(Dispatchers.Default) { wait() }
    } else {
        wait()
    }
