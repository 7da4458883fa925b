package org.anocm

import kotlin.time.Duration

/**
 * The retention for a time span of one second to thirty days; zero is live: delivered, never stored.
 *
 * @throws AnocmException.BadRetention for anything else
 */
public fun keep(span: Duration): Retention {
    val millis = span.inWholeMilliseconds
    return when {
        span == Duration.ZERO -> Retention.Live
        millis in 1..UInt.MAX_VALUE.toLong() -> Retention.Keep(millis.toUInt())
        else -> throw AnocmException.BadRetention(
            "a message is kept for one second to thirty days, or not at all",
        )
    }
}

/** Sends a message to all members, kept for [keep]. See [Room.send] with a [Retention]. */
public fun Room.send(text: String, keep: Duration): String = send(text, keep(keep))

/** Sends a message that only the member with the id [to] can read, kept for [keep]. */
public fun Room.whisper(to: String, text: String, keep: Duration): String =
    whisper(to, text, keep(keep))

/** The remaining retention time; `null` for a live message. */
public val Message.expiresIn: Duration?
    get() = expiresInMillis?.let { with(Duration) { it.toLong().milliseconds } }
