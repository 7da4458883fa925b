package org.anocm

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledOnOs
import org.junit.jupiter.api.condition.OS

/** What remains in a process when rooms have ended. */
class ExitTest {
    @Test
    @EnabledOnOs(OS.LINUX)
    fun `no thread is left`() {
        repeat(10) {
            scenario { relay ->
                twoIn(relay) { _, _ -> assertTrue(libraryThreads().isNotEmpty()) }
            }
            assertEquals(emptyList<String>(), libraryThreads())
        }
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    fun `a cancelled guest leaves`() = scenario { relay ->
        createRoom(relay) { alice ->
            val isIn = CompletableDeferred<Unit>()
            val bob = launch {
                joinRoom(alice.link) { bob ->
                    isIn.complete(Unit)
                    bob.events.collect {}
                }
            }
            isIn.await()
            bob.cancel(CancellationException("enough"))
            bob.join()
            assertEquals(Departure.Left, alice.until<RoomEvent.Departed>().how)
        }
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    fun `a thousand rooms leave no memory behind`() {
        openAndClose(400)
        System.gc()
        val before = resident()
        openAndClose(1_000)
        System.gc()
        val grown = resident() - before
        println("after a thousand rooms: ${grown / 1024} KiB more")
        // Most of this is memory that the virtual machine needs for compiled code.
        assertTrue(grown < 16_000_000) { "$grown" }
    }

    private fun openAndClose(count: Int) = runBlocking {
        Client(Relay.shared.url).use { client ->
            repeat(count / 10) {
                val rooms = List(10) { client.create(NewRoom()) }
                for (room in rooms) {
                    room.entered()
                    room.closeForAll()
                    room.until<RoomEvent.Ended>()
                    room.close()
                }
            }
            client.shutdown()
        }
    }
}
