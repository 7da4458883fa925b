package org.anocm

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import kotlin.time.Duration.Companion.minutes

/** The README's example, run as a program. */
class ReadmeTest {
    @Test
    fun `the example greets, and prints what is said`() = scenario { relay ->
        createRoom(relay, NewRoom("Alice")) { alice ->
            val java = "${System.getProperty("java.home")}/bin/java"
            val classes = System.getProperty("java.class.path")
            val example = ProcessBuilder(java, "-cp", classes, "readme.ReadmeKt")
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start()
            try {
                example.outputWriter().apply { write("${alice.link}\n") }.flush()
                assertEquals(keep(1.minutes), alice.hears("Hello, stranger.").retention)
                alice.send("And to you.")
                withContext(Dispatchers.IO) {
                    val lines = example.inputReader()
                    assertEquals("Bot: Hello, stranger.", lines.readLine())
                    assertEquals("Alice: And to you.", lines.readLine())
                    // It ends with the room.
                    alice.closeForAll()
                    assertEquals(0, example.waitFor())
                }
            } finally {
                example.destroyForcibly()
            }
        }
    }
}
