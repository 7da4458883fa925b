package org.anocm

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancelChildren
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.job
import kotlinx.coroutines.launch
import kotlinx.coroutines.supervisorScope
import kotlinx.coroutines.withContext
import java.io.IOException

/**
 * How a relay is reached, in the program's own way.
 *
 * Whatever is thrown in it is told to the guests as a lost connection, and the client tries again.
 * It may block, and may call whatever it likes.
 */
public fun interface Transport {
    /**
     * Opens a connection. Throws [TransportException], or anything else, when it cannot. It is
     * cancelled when it takes longer than the library waits.
     */
    public suspend fun connect(): Link
}

/** One open connection to a relay: whole frames, in order, both ways. */
public interface Link {
    /** Sends frames, each whole and in this order. Throws when it cannot. */
    public suspend fun send(frames: List<ByteArray>)

    /** The next frame; `null` after a clean close by the relay. Throws when the link is dead. */
    public suspend fun receive(): ByteArray?

    /** Closes the connection, so that a [receive] that waits comes to its end. Called once. */
    public suspend fun close()
}

/** A connection that does not come about, or has been lost. Guests see the [failure]. */
public class TransportException(
    /** What guests are told. */
    public val failure: TransportFailure = TransportFailure.CUT,
    cause: Throwable? = null,
) : IOException(failure.name, cause)

/**
 * A client that reaches its relay through a transport of the program's own, which runs on
 * [dispatcher]. [relay] is what stands in its links. Of the options, those of the WebSocket mean
 * nothing.
 *
 * @throws AnocmException when [relay] is no address of a relay
 */
public fun Client.Companion.over(
    relay: String,
    transport: Transport,
    options: ClientOptions? = null,
    dispatcher: CoroutineDispatcher = Dispatchers.IO,
): Client {
    val host = HostTransport()
    val client = over(relay, host, options)
    // Its own, since it is to last as long as the client: until there is nothing more to dial for.
    CoroutineScope(SupervisorJob() + dispatcher).launch {
        host.use {
            supervisorScope {
                while (true) {
                    val dial = host.dial() ?: break
                    launch { dial.use { carry(dial, transport) } }
                }
                coroutineContext.cancelChildren()
            }
        }
    }
    return client
}

private suspend fun carry(dial: Dial, transport: Transport): Unit = coroutineScope {
    val connecting = coroutineContext.job
    val waiting = launch {
        dial.givenUp()
        connecting.cancel()
    }
    val link = try {
        transport.connect()
    } catch (thrown: Throwable) {
        dial.failed(failure(thrown, TransportFailure.UNREACHABLE))
        if (thrown is CancellationException) throw thrown
        return@coroutineScope
    } finally {
        waiting.cancel()
    }
    dial.connected().use { pipe -> carry(pipe, link) }
}

/** Both ways, until either side closes or fails. */
private suspend fun carry(pipe: Pipe, link: Link): Unit = coroutineScope {
    val ended = CompletableDeferred<TransportFailure?>()
    launch {
        ended.completeWith { while (true) link.send(pipe.outgoing() ?: break) }
    }
    launch {
        ended.completeWith {
            while (true) if (!pipe.incoming(link.receive() ?: break)) break
        }
    }
    var why: TransportFailure? = TransportFailure.CUT
    try {
        why = ended.await()
    } finally {
        pipe.ended(why)
        coroutineContext.job.cancelChildren()
        withContext(NonCancellable) {
            // It is gone either way.
            runCatching { link.close() }
        }
    }
}

private inline fun CompletableDeferred<TransportFailure?>.completeWith(work: () -> Unit) {
    val why = try {
        work()
        null
    } catch (thrown: Throwable) {
        failure(thrown, TransportFailure.CUT)
    }
    complete(why)
}

private fun failure(thrown: Throwable, otherwise: TransportFailure): TransportFailure =
    (thrown as? TransportException)?.failure ?: otherwise
