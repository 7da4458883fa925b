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
 * A connection to a relay that the program implements.
 *
 * Guests see every exception thrown here as a lost connection, and the client reconnects. The code
 * may block, and may call any function.
 */
public fun interface Transport {
    /**
     * Opens a connection. Throws [TransportException], or any other exception, on failure. It is
     * cancelled when it takes longer than the library's timeout.
     */
    public suspend fun connect(): Link
}

/** One open connection to a relay: whole frames, in order, both ways. */
public interface Link {
    /** Sends frames, each whole and in this order. Throws on failure. */
    public suspend fun send(frames: List<ByteArray>)

    /** The next frame; `null` after a clean close by the relay. Throws when the link is dead. */
    public suspend fun receive(): ByteArray?

    /** Closes the connection, so that a waiting [receive] returns. Called once. */
    public suspend fun close()
}

/** A connection attempt failed, or a connection was lost. Guests see the [failure]. */
public class TransportException(
    /** The reason that guests see. */
    public val failure: TransportFailure = TransportFailure.CUT,
    cause: Throwable? = null,
) : IOException(failure.name, cause)

/**
 * Creates a client that reaches its relay through the program's own transport, which runs on
 * [dispatcher]. [relay] is the URL that appears in its links. The WebSocket options are ignored.
 *
 * @throws AnocmException when [relay] is not a relay URL
 */
public fun Client.Companion.over(
    relay: String,
    transport: Transport,
    options: ClientOptions? = null,
    dispatcher: CoroutineDispatcher = Dispatchers.IO,
): Client {
    val host = HostTransport()
    val client = over(relay, host, options)
    // A separate scope, which lives as long as the client: until there are no more dials.
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

/** Forwards frames both ways, until either side closes or fails. */
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
            // An error is ignored: the connection is closed either way.
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
