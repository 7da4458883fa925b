package org.anocm

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import java.io.File
import kotlin.time.Duration.Companion.seconds

/** An `anocm-server` in a separate process. */
class Relay : AutoCloseable {
    // Tests open more rooms than the default rate limits allow.
    private val process = ProcessBuilder(
        "$programs/anocm-server", "--listen", "127.0.0.1:0",
        "--creations-per-minute", "1000000", "--requests-per-second", "1000000",
    )
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start()

    val url: String = process.inputReader().readLine().removePrefix("listening on ")

    override fun close() {
        process.destroy()
        process.waitFor()
    }

    companion object {
        val programs: String = System.getenv("ANOCM_PROGRAMS") ?: "../../target/debug"

        /** One for all tests: rooms are independent of each other. */
        val shared: Relay by lazy {
            Relay().also { Runtime.getRuntime().addShutdownHook(Thread(it::close)) }
        }
    }
}

/** A test that fails after half a minute. */
fun scenario(test: suspend CoroutineScope.(relay: String) -> Unit): Unit = runBlocking {
    withTimeout(30.seconds) { test(Relay.shared.url) }
}

/** Waits for the next event of type [T] for which [isIt] returns true. */
suspend inline fun <reified T : RoomEvent> Room.until(
    crossinline isIt: (T) -> Boolean = { true },
): T = events.filterIsInstance<T>().first { isIt(it) }

/** Waits for the next message with this text. */
suspend fun Room.hears(text: String): Message =
    until<RoomEvent.Message> { it.message.text == text }.message

/** Waits until connected and up to date. */
suspend fun Room.online() {
    if (view().connection != Connection.Online) {
        until<RoomEvent.Connection> { it.state == Connection.Online }
    }
}

/** The invite link. */
val Room.link: String get() = checkNotNull(view().link)

/** The one member of this name. */
fun Room.named(nickname: String): Member = view().members.single { it.nickname == nickname }

/** A room of Alice's that Bob has joined, each with a separate client. */
suspend fun twoIn(relay: String, test: suspend (alice: Room, bob: Room) -> Unit): Unit =
    createRoom(relay, NewRoom("Alice")) { alice ->
        joinRoom(alice.link, "Bob") { bob -> test(alice, bob) }
    }

/** The names of the library's threads, except for those that OpenMLS keeps. */
fun libraryThreads(): List<String> = File("/proc/self/task").listFiles().orEmpty()
    // A thread may end meanwhile.
    .mapNotNull { runCatching { File(it, "comm").readText().trim() }.getOrNull() }
    .filter { it.startsWith("anocm") && it != "anocm-mls" }

/** The resident memory of this process in bytes. */
fun resident(): Long = File("/proc/self/statm").readText().split(" ")[1].toLong() * 4096
