package org.anocm

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** The use of rooms. */
class RoomsTest {
    @Test
    fun `create and talk`() = scenario { relay ->
        twoIn(relay) { alice, bob ->
            val id = bob.send("Hello, stranger.")
            val said = alice.hears("Hello, stranger.")
            assertEquals(id, said.id)
            assertEquals("Bob", said.sender.nickname)
            assertFalse(said.own)
            assertTrue(bob.hears("Hello, stranger.").own)
            assertEquals(listOf(id), alice.history().map { it.id })
        }
    }

    @Test
    fun `join by link`() = scenario { relay ->
        createRoom(relay, NewRoom("Alice")) { alice ->
            joinRoom(alice.link, "Bob") { bob ->
                val joined = alice.until<RoomEvent.Joined>()
                assertEquals("Bob", joined.member.nickname)
                assertFalse(joined.again)
                assertEquals("Alice", bob.until<RoomEvent.Confirmed>().by.nickname)
                assertEquals(Confirmation.Opened, alice.view().confirmation)
                val safety = checkNotNull(alice.view().safety)
                assertEquals(safety, bob.view().safety)
                assertEquals(12 to 6, safety.words.size to safety.emoji.size)
                assertEquals(alice.view().members.map { it.id }, bob.view().members.map { it.id })
                assertEquals(listOf(Role.OWNER, Role.MEMBER), bob.view().members.map { it.role })
                assertEquals(alice.named("Bob").id, bob.view().me)
            }
            assertEquals(Departure.Left, alice.until<RoomEvent.Departed>().how)
        }
    }

    @Test
    fun `retention and expiry`() = scenario { relay ->
        twoIn(relay) { alice, bob ->
            val id = bob.send("short", keep = 3.seconds)
            bob.hears("short")
            val said = alice.hears("short")
            assertEquals(keep(3.seconds), said.retention)
            assertTrue(checkNotNull(said.expiresIn) <= 3.seconds)
            for (room in listOf(alice, bob)) {
                assertEquals(id, room.until<RoomEvent.Expired>().id)
                assertEquals(emptyList<Message>(), room.history())
            }

            // Zero is live: delivered, never stored.
            bob.send("live", keep = Duration.ZERO)
            val live = alice.hears("live")
            assertEquals(Retention.Live, live.retention)
            assertNull(live.expiresIn)
            assertEquals(emptyList<Message>(), alice.history())

            // A guest's own cap also limits received messages.
            alice.setGuestRetention(GuestRetention(cap = keep(2.seconds)))
            bob.send("capped", keep = 1.minutes)
            assertEquals(keep(2.seconds), alice.hears("capped").retention)
        }
    }

    @Test
    fun `whisper and content of one's own`() = scenario { relay ->
        twoIn(relay) { alice, bob ->
            alice.until<RoomEvent.Joined>()
            alice.whisper(alice.named("Bob").id, "psst")
            assertEquals("Bob", bob.hears("psst").whisperedTo?.nickname)

            alice.sendCustom(7u, byteArrayOf(0, -1))
            val custom = bob.until<RoomEvent.Custom>()
            assertEquals("Alice", custom.sender.nickname)
            assertEquals(7.toUShort(), custom.kind)
            assertArrayEquals(byteArrayOf(0, -1), custom.body)
        }
    }

    @Test
    fun `typing, presence and names`() = scenario { relay ->
        twoIn(relay) { alice, bob ->
            alice.until<RoomEvent.Joined>()
            // Typing notifications are dropped rather than queued.
            bob.online()
            bob.typing()
            val me = checkNotNull(bob.view().me)
            assertEquals(me, alice.until<RoomEvent.Typing>().member)
            assertTrue(me in alice.view().here)

            bob.rename("Robert")
            val renamed = alice.until<RoomEvent.Renamed>()
            assertEquals("Bob" to "Robert", renamed.before to renamed.member.nickname)
        }
    }

    @Test
    fun `roles and what a room allows`() = scenario { relay ->
        twoIn(relay) { alice, bob ->
            alice.until<RoomEvent.Joined>()
            alice.setRole(alice.named("Bob").id, Role.MODERATOR)
            bob.until<RoomEvent.SettingsChanged>()
            assertEquals(Role.MODERATOR, bob.named("Bob").role)

            val allowed = RoomRetention(Retention.Live, Retention.Live, keep(1.minutes))
            alice.setRoomRetention(allowed)
            bob.until<RoomEvent.SettingsChanged>()
            assertEquals(allowed, bob.view().retention)

            val before = bob.link
            bob.replaceInvite()
            alice.until<RoomEvent.InviteReplaced>()
            assertNotEquals(before, alice.link)

            val epoch = alice.view().epoch
            bob.refreshKeys()
            while (alice.view().epoch == epoch) alice.until<RoomEvent.EpochBegan>()
        }
    }

    @Test
    fun remove() = scenario { relay ->
        twoIn(relay) { alice, bob ->
            alice.until<RoomEvent.Joined>()
            val before = alice.link
            val me = checkNotNull(alice.view().me)
            alice.remove(alice.named("Bob").id)
            assertEquals(Ended.Removed(me), bob.until<RoomEvent.Ended>().why)
            assertEquals(emptyList<RoomEvent>(), bob.events.toList())
            assertEquals(Departure.Removed(me), alice.until<RoomEvent.Departed>().how)
            assertNotEquals(before, alice.link)
        }
    }

    @Test
    fun `close for all`() = scenario { relay ->
        twoIn(relay) { alice, bob ->
            // A guest who is offline when the room is closed only finds that it no longer exists.
            bob.online()
            alice.closeForAll()
            for (room in listOf(alice, bob)) {
                assertEquals(Ended.Closed, room.until<RoomEvent.Ended>().why)
                assertEquals(Ended.Closed, room.view().ended)
                assertEquals(emptyList<Member>(), room.view().members)
            }
        }
    }

    @Test
    fun shutdown() = scenario { relay ->
        Client(relay).use { client ->
            val rooms = List(3) { client.create(NewRoom("Alice")) }
            rooms.forEach { it.entered() }
            val end = async { rooms[0].until<RoomEvent.Ended>() }
            client.shutdown()
            assertEquals(Ended.Wiped, end.await().why)
            rooms.forEach {
                assertEquals(Ended.Wiped, it.view().ended)
                it.close()
            }
            client.shutdown()
        }
    }

    @Test
    fun `a cancelled collection loses nothing, and a newer one ends the older`() = scenario { relay ->
        twoIn(relay) { alice, bob ->
            val collecting = launch(start = CoroutineStart.UNDISPATCHED) { bob.events.collect {} }
            collecting.cancel()
            collecting.join()
            alice.send("first")
            assertNotNull(bob.hears("first"))

            val older = async(start = CoroutineStart.UNDISPATCHED) { bob.events.toList() }
            val newer = async(start = CoroutineStart.UNDISPATCHED) { bob.hears("second") }
            older.await()
            alice.send("second")
            assertEquals("second", newer.await().text)
        }
    }

    @Test
    fun `closing a room ends its events`() = scenario { relay ->
        Client(relay).use { client ->
            val room = client.create(NewRoom())
            room.entered()
            val events = async(start = CoroutineStart.UNDISPATCHED) { room.events.toList() }
            room.close()
            assertEquals(Ended.Wiped, (events.await().last() as RoomEvent.Ended).why)
            client.shutdown()
        }
    }
}
