package org.anocm

import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import java.io.ByteArrayOutputStream
import java.io.OutputStream
import java.io.PrintStream
import kotlin.time.Duration.Companion.minutes

/** What the README shows. */
class ReadmeTest {
    @Test
    fun `the example greets, and prints what is said`() = scenario { relay ->
        val lines = Channel<String>(Channel.UNLIMITED)
        val before = System.`in` to System.out
        System.setOut(PrintStream(Lines(lines), true))
        try {
            createRoom(relay, NewRoom("Alice")) { alice ->
                System.setIn("${alice.link}\n".byteInputStream())
                val example = launch { readme.main() }
                assertEquals(keep(1.minutes), alice.hears("Hello, stranger.").retention)
                alice.say("And to you.")
                assertEquals("Bot: Hello, stranger.", lines.receive())
                assertEquals("Alice: And to you.", lines.receive())
                // It ends with the room.
                alice.closeForAll()
                example.join()
            }
        } finally {
            System.setIn(before.first)
            System.setOut(before.second)
        }
    }
}

/** Hands over what is printed, line by line. */
private class Lines(private val lines: Channel<String>) : OutputStream() {
    private val begun = ByteArrayOutputStream()

    override fun write(byte: Int) {
        if (byte == '\n'.code) {
            lines.trySend(begun.toString())
            begun.reset()
        } else {
            begun.write(byte)
        }
    }
}
