package org.anocm

import kotlinx.coroutines.withTimeoutOrNull
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assertions.fail
import org.junit.jupiter.api.Test
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.milliseconds

/** Errors, and how they are reported to a program. */
class ErrorsTest {
    @Test
    fun `bad links`() = scenario {
        throws<AnocmException.BadLink> { Client.forLink("") }
        throws<AnocmException.BadLink> { Client.forLink("hello") }
        throws<AnocmException.BadLink> { Client.forLink("ftp://relay.example/#x") }
        throws<AnocmException.LinkIncomplete> { Client.forLink("https://relay.example/") }
        throws<AnocmException.LinkIncomplete> { Client.forLink("https://relay.example/#") }
        throws<AnocmException.LinkUnencrypted> { Client.forLink("http://relay.example/#x") }
        // Half a character.
        throws<Exception> { Client.forLink("https://relay.example/#\uD800") }
    }

    @Test
    fun `damaged links`() = scenario { relay ->
        createRoom(relay) { room ->
            val good = room.link
            val last = if (good.last() == 'A') "B" else "A"
            throws<AnocmException.LinkDamaged> { Client.forLink(good.dropLast(1) + last) }
            throws<AnocmException.LinkIncomplete> { Client.forLink(good.dropLast(4)) }
            Client("https://elsewhere.example/").use { elsewhere ->
                throws<AnocmException.OtherRelay> { elsewhere.join(good, "Bob") }
                elsewhere.shutdown()
            }
        }
    }

    @Test
    fun `rooms that are no more`() = scenario { relay ->
        createRoom(relay) { alice ->
            val old = alice.link
            alice.replaceInvite()
            alice.until<RoomEvent.InviteReplaced>()
            throws<AnocmException.LinkReplaced> { joinRoom(old) { fail("is in") } }
            val gone = alice.link
            alice.closeForAll()
            alice.until<RoomEvent.Ended>()
            throws<AnocmException.NotInRoom> { alice.send("too late") }
            throws<AnocmException.RoomOver> { alice.entered() }
            throws<AnocmException.NoSuchRoom> { joinRoom(gone) { fail("is in") } }
        }
    }

    @Test
    fun `what cannot be said`() = scenario { relay ->
        twoIn(relay) { alice, bob ->
            throws<AnocmException.EmptyMessage> { alice.send("") }
            throws<AnocmException.TooLong> { alice.send("x".repeat(20_000)) }
            throws<AnocmException.NoSuchMember> { alice.whisper("00".repeat(16), "nobody") }
            throws<AnocmException.NoSuchMember> { alice.whisper("not an id", "nobody") }
            for (keep in listOf(500.milliseconds, (-1).days, 31.days, 400.days, Duration.INFINITE)) {
                throws<AnocmException.BadRetention> { alice.send("x", keep) }
            }
            throws<AnocmException.NotAllowed> { bob.closeForAll() }
            throws<AnocmException.NotAllowed> { bob.remove(checkNotNull(alice.view().me)) }
            throws<AnocmException.BadNickname> { bob.rename(" ") }
            throws<AnocmException.BeyondPolicy> {
                alice.setRoomRetention(RoomRetention(keep(30.days), keep(30.days), keep(30.days)))
            }
        }
    }

    @Test
    fun `clients that cannot be`() = scenario { relay ->
        val client = Client(relay)
        for (nickname in listOf("", " ", "x".repeat(33))) {
            throws<AnocmException.BadNickname> { client.create(NewRoom(nickname)) }
        }
        throws<AnocmException.BadProxy> { Client(relay, ClientOptions(socks5 = "nowhere")) }
        throws<AnocmException.BadCertificate> {
            val options = ClientOptions(extraRoots = listOf("none".toByteArray()))
            Client("https://relay.example/", options)
        }
        throws<AnocmException.OnionNeedsProxy> { Client("http://${"a".repeat(56)}.onion/") }
        throws<AnocmException.BadSettings> { client.create(NewRoom(maxAgeSeconds = 0u)) }
        throws<AnocmException.BadSettings> { client.create(NewRoom(lingerSeconds = 0u)) }
        throws<AnocmException.BadSettings> { client.create(NewRoom(maxEntries = 0u)) }
        val alice = client.create(NewRoom())
        alice.entered()
        throws<AnocmException.AlreadyThere> { client.join(alice.link, "Again") }
        client.shutdown()
        throws<AnocmException.ShutDown> { client.create(NewRoom()) }
        throws<AnocmException.RoomOver> { alice.entered() }
        alice.close()
        client.close()
        throws<IllegalStateException> { client.create(NewRoom()) }
    }

    @Test
    fun `a relay that is not there`() = scenario {
        Client("http://127.0.0.1:9/").use { client ->
            val room = client.create(NewRoom())
            val waits = room.until<RoomEvent.Connection> { it.state is Connection.Waiting }
            val why = (waits.state as Connection.Waiting).why
            assertEquals(TransportFailure.UNREACHABLE, why)
            // The client retries until the room is dropped.
            assertNull(withTimeoutOrNull(100.milliseconds) { room.entered() })
            throws<AnocmException.NotInRoom> { room.typing() }
            client.shutdown()
        }
    }

    @Test
    fun `nothing is shown by accident`() = scenario { relay ->
        createRoom(relay, NewRoom("Alice")) { alice ->
            alice.send("SECRET")
            alice.sendCustom(1u, "SECRET".toByteArray())
            val said = alice.until<RoomEvent.Message>()
            val custom = alice.until<RoomEvent.Custom>()
            val view = alice.view()
            val word = checkNotNull(view.safety).words[0]
            for (value in listOf(said, said.message, custom, view, view.members[0], view.safety)) {
                for (secret in listOf("SECRET", "Alice", "#", word)) {
                    assertFalse(secret in "$value", "$value")
                }
            }
        }
    }
}

/** Passes when the block throws an exception of this kind, with a non-empty message. */
suspend inline fun <reified T : Throwable> throws(block: suspend () -> Unit): T {
    try {
        block()
    } catch (thrown: Throwable) {
        if (thrown !is T) throw thrown
        assertTrue(!thrown.message.isNullOrEmpty())
        return thrown
    }
    throw AssertionError("nothing was thrown")
}
