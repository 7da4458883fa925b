package org.anocm.talk

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.cancelChildren
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.ReceiveChannel
import kotlinx.coroutines.channels.trySendBlocking
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.job
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.selects.select
import org.anocm.AnocmException
import org.anocm.Departure
import org.anocm.Member
import org.anocm.NewRoom
import org.anocm.Posture
import org.anocm.Room
import org.anocm.RoomEvent
import org.anocm.createRoom
import org.anocm.events
import org.anocm.joinRoom
import kotlin.concurrent.thread
import kotlin.system.exitProcess

private const val USAGE = """A guest at a terminal: what is typed is said, what is said is printed.
    talk NAME                                 asks for a room's link, and joins
    talk NAME --open https://relay.example/   opens a room, and prints its link"""

fun main(vararg words: String) {
    val talks: suspend (ReceiveChannel<String>) -> Unit = when {
        words.size == 1 -> { lines -> joinRoom(lines.receive(), words[0]) { talk(it, lines) } }
        words.size == 3 && words[1] == "--open" ->
            { lines -> createRoom(words[2], NewRoom(words[0])) { talk(it, lines) } }
        else -> failed(USAGE)
    }
    try {
        runBlocking(Dispatchers.Default) {
            leaveWhenStopped()
            talks(typed())
        }
    } catch (error: AnocmException) {
        failed("not in the room: ${error.message}")
    } catch (_: CancellationException) {
        // Stopped, and has left.
    }
}

/** Until the room is over, or nothing more is typed. */
private suspend fun talk(room: Room, lines: ReceiveChannel<String>): Unit = coroutineScope {
    println("room: ${room.view().link}")
    val shown = launch { room.events.collect(::show) }
    val said = launch { for (line in lines) say(room, line) }
    select {
        shown.onJoin {}
        said.onJoin {}
    }
    coroutineContext.cancelChildren()
}

private fun say(room: Room, line: String) {
    if (line.isEmpty()) return
    try {
        room.send(line)
    } catch (error: AnocmException) {
        println("* not said: ${error.message}")
    }
}

private fun show(event: RoomEvent): Unit = when (event) {
    is RoomEvent.Message -> {
        val said = event.message
        println("${if (said.whisperedTo == null) "" else "(whisper) "}${name(said.sender)}: ${said.text}")
    }
    is RoomEvent.Joined -> println("* ${name(event.member)} is here")
    is RoomEvent.Departed -> {
        val how = if (event.how is Departure.Removed) "was removed" else "has left"
        println("* ${name(event.member)} $how")
    }
    is RoomEvent.EpochBegan -> println("safety: ${event.safety.words.joinToString(" ")}")
    is RoomEvent.NotSent -> println("* something was not sent")
    is RoomEvent.Posture -> when (event.posture) {
        Posture.KEPT -> Unit
        Posture.UNKNOWN -> println("* the relay cannot tell whether it keeps to memory only")
        Posture.BROKEN -> println("* the relay does NOT keep to memory only")
    }
    is RoomEvent.Ended -> println("* the room is over")
    else -> Unit
}

/** A name can be taken by anybody, a tag cannot. */
private fun name(member: Member) = "${member.nickname} #${member.tag}"

/** What is typed, line by line; on a thread of its own, since nothing ends such a wait. */
private fun typed(): ReceiveChannel<String> {
    val lines = Channel<String>()
    thread(isDaemon = true, name = "typed") {
        while (true) if (lines.trySendBlocking(readlnOrNull() ?: break).isFailure) break
        lines.close()
    }
    return lines
}

/** So that the others hear that this guest leaves. */
private fun CoroutineScope.leaveWhenStopped() {
    val job = coroutineContext.job
    val leaves = thread(start = false) { runBlocking { job.cancelAndJoin() } }
    Runtime.getRuntime().addShutdownHook(leaves)
}

private fun failed(why: String): Nothing {
    System.err.println(why)
    exitProcess(1)
}
