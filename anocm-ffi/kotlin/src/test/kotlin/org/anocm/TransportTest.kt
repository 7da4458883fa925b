package org.anocm

import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.future.await
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource
import java.io.ByteArrayOutputStream
import java.net.URI
import java.net.http.HttpClient
import java.net.http.WebSocket
import java.nio.ByteBuffer
import java.util.concurrent.CompletionStage
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.atomic.AtomicInteger

/** Transports written in Kotlin, well-behaved and not. */
class TransportTest {
    @Test
    fun `a transport of one's own`() = scenario { relay ->
        val links = AtomicInteger()
        val transport = Transport { WebSocketLink.open(relay).also { links.incrementAndGet() } }
        over(relay, transport) { alice, bob ->
            bob.send("over the built-in one")
            alice.hears("over the built-in one")
            alice.send("over another")
            bob.hears("over another")
        }
        assertEquals(1, links.get())
    }

    @Test
    fun `a transport that cannot connect`() = scenario { relay ->
        val nowhere = Transport { throw TransportException(TransportFailure.PROXY_UNREACHABLE) }
        Client.over(relay, nowhere).use { client ->
            val room = client.create(NewRoom())
            val waits = room.until<RoomEvent.Connection> { it.state is Connection.Waiting }
            val why = (waits.state as Connection.Waiting).why
            assertEquals(TransportFailure.PROXY_UNREACHABLE, why)
            client.shutdown()
        }
    }

    @ParameterizedTest
    @ValueSource(strings = ["connect", "send", "receive"])
    fun `a transport that throws`(where: String) = scenario { relay ->
        val thrown = AtomicInteger()
        val transport = meddling(relay) { here ->
            // An `Error`, which programs do not usually catch, instead of an `Exception`.
            if (here == where && thrown.getAndIncrement() == 0) throw StackOverflowError()
        }
        over(relay, transport) { alice, bob ->
            alice.send("still here")
            bob.hears("still here")
        }
        assertTrue(thrown.get() > 1)
    }

    @ParameterizedTest
    @ValueSource(strings = ["connect", "send", "receive"])
    fun `a transport that blocks`(where: String) = scenario { relay ->
        val blocked = AtomicInteger()
        val transport = meddling(relay) { here ->
            if (here == where && blocked.getAndIncrement() == 0) Thread.sleep(1_000)
        }
        over(relay, transport) { alice, bob ->
            alice.send("still here")
            bob.hears("still here")
        }
        assertTrue(blocked.get() > 0)
    }

    @Test
    fun `a transport that calls back`() = scenario { relay ->
        val rooms = ConcurrentLinkedQueue<Room>()
        val calls = AtomicInteger()
        val transport = meddling(relay) {
            rooms.forEach { room ->
                calls.incrementAndGet()
                // Functions that a program may call.
                room.view()
                room.history()
                try {
                    room.typing()
                } catch (_: AnocmException.NotInRoom) {
                }
            }
        }
        over(relay, transport) { alice, bob ->
            rooms += alice
            alice.send("still here")
            bob.hears("still here")
            bob.send("here too")
            alice.hears("here too")
            rooms.clear()
        }
        assertTrue(calls.get() > 0)
    }

    @Test
    fun `a transport that ends its own client`() = scenario { relay ->
        lateinit var client: Client
        val times = AtomicInteger()
        val transport = meddling(relay) { here ->
            if (here == "send" && times.getAndIncrement() == 0) launch { client.shutdown() }
        }
        client = Client.over(relay, transport)
        client.create(NewRoom()).use { it.until<RoomEvent.Ended>() }
        client.shutdown()
        client.close()
    }

    @Test
    fun `a cut connection is made again`() = scenario { relay ->
        val links = ConcurrentLinkedQueue<WebSocketLink>()
        over(relay, { WebSocketLink.open(relay).also(links::add) }) { alice, bob ->
            links.first().abort()
            alice.until<RoomEvent.Connection> { it.state is Connection.Waiting }
            bob.send("while you were away")
            alice.hears("while you were away")
        }
        assertEquals(2, links.size)
    }

    @Test
    fun `a connection is made anew when asked`() = scenario { relay ->
        val links = AtomicInteger()
        val transport = Transport { WebSocketLink.open(relay).also { links.incrementAndGet() } }
        Client.over(relay, transport).use { client ->
            client.create(NewRoom("Alice")).use { alice ->
                alice.entered()
                joinRoom(alice.link, "Bob") { bob ->
                    client.reconnect()
                    bob.send("meanwhile")
                    alice.hears("meanwhile")
                    alice.send("here again")
                    bob.hears("here again")
                }
            }
            client.shutdown()
        }
        assertEquals(2, links.get())
    }

    @Test
    fun `one client for one transport`() = scenario { relay ->
        HostTransport().use { host ->
            Client.over(relay, host).use { client ->
                throws<AnocmException.TransportInUse> { Client.over(relay, host) }
                client.shutdown()
            }
            assertEquals(null, host.dial())
        }
    }
}

/** Alice over [transport] and Bob over the built-in one. */
private suspend fun over(
    relay: String,
    transport: Transport,
    test: suspend (alice: Room, bob: Room) -> Unit,
) = Client.over(relay, transport).use { client ->
    client.create(NewRoom("Alice")).use { alice ->
        alice.entered()
        joinRoom(alice.link, "Bob") { bob -> test(alice, bob) }
    }
    client.shutdown()
}

/** A transport that calls [meddle] before it connects, sends and receives. */
private fun meddling(relay: String, meddle: (String) -> Unit) = Transport {
    meddle("connect")
    val link = WebSocketLink.open(relay)
    object : Link by link {
        override suspend fun send(frames: List<ByteArray>) {
            meddle("send")
            link.send(frames)
        }

        override suspend fun receive(): ByteArray? {
            meddle("receive")
            return link.receive()
        }
    }
}

/** A connection over Java's own WebSocket client. */
private class WebSocketLink private constructor() : WebSocket.Listener, Link {
    private lateinit var socket: WebSocket
    private val frames = Channel<ByteArray>(Channel.UNLIMITED)
    private val begun = ByteArrayOutputStream()

    override suspend fun send(frames: List<ByteArray>) {
        for (frame in frames) socket.sendBinary(ByteBuffer.wrap(frame), true).await()
    }

    override suspend fun receive(): ByteArray? {
        val frame = frames.receiveCatching()
        frame.exceptionOrNull()?.let { throw it }
        return frame.getOrNull()
    }

    override suspend fun close() {
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").await()
    }

    fun abort() {
        socket.abort()
        frames.close(TransportException())
    }

    override fun onBinary(socket: WebSocket, data: ByteBuffer, last: Boolean): CompletionStage<*>? {
        begun.write(ByteArray(data.remaining()).also(data::get))
        if (last) {
            frames.trySend(begun.toByteArray())
            begun.reset()
        }
        socket.request(1)
        return null
    }

    override fun onClose(socket: WebSocket, status: Int, reason: String): CompletionStage<*>? {
        frames.close()
        return null
    }

    override fun onError(socket: WebSocket, error: Throwable) {
        frames.close(error)
    }

    companion object {
        private val http = HttpClient.newHttpClient()

        suspend fun open(relay: String): WebSocketLink {
            val link = WebSocketLink()
            val address = URI.create(relay.replaceFirst("http", "ws") + "ws")
            link.socket = http.newWebSocketBuilder().buildAsync(address, link).await()
            return link
        }
    }
}
