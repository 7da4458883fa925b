@_exported import AnocmGenerated

/// What happens in a room, until it is over for this guest.
///
/// A room has one subscription at a time: iterating anew ends the iteration before and goes on where
/// that one stopped. Nothing is lost when a task that iterates is cancelled. Whoever has a room
/// iterates: events that are not fetched make the client stop reading from its connection after a
/// while, for all its rooms.
public struct RoomEvents: AsyncSequence, Sendable {
    /// Something that happened.
    public typealias Element = RoomEvent

    let room: Room

    /// Subscribes anew.
    public func makeAsyncIterator() -> Iterator {
        Iterator(room: room, events: room.subscribe())
    }

    /// One subscription. It ends when its task is cancelled.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        /// A room that nobody has any more is wiped.
        let room: Room
        let events: Events

        /// Waits for the next event; `nil` when none will come here any more.
        public mutating func next() async -> RoomEvent? {
            await withTaskCancellationHandler {
                while await events.ready() {
                    // What was ready may have expired by the time it is taken.
                    if let event = events.take() { return event }
                }
                return nil
            } onCancel: { [events] in
                events.cancel()
            }
        }
    }
}

extension Room {
    /// What happens in the room.
    public var events: RoomEvents { RoomEvents(room: self) }
}

/// Enters a room with a client of its own, and calls `body` once the guest is in. At the end of it,
/// however it ends, the guest leaves in good order, and everything of the room is wiped on this side.
///
/// While the relay cannot be reached this goes on waiting, until the task is cancelled.
///
/// Calls `body` where it was called itself: on the main actor, say.
///
/// - Throws: ``AnocmError`` when the link is none, or the guest is not let in.
public func withRoom<T: Sendable>(
    joining link: String,
    nickname: String = "guest",
    options: ClientOptions? = nil,
    isolation: isolated (any Actor)? = #isolation,
    _ body: (Room) async throws -> T
) async throws -> T {
    let client = try Client.forLink(link: link, options: options)
    return try await client.visit({ try client.join(link: link, nickname: nickname) }, body)
}

/// Opens a room at a relay with a client of its own, and calls `body` once it is open. At the end of
/// it, however it ends, the guest leaves in good order, and everything of the room is wiped on this
/// side.
///
/// Calls `body` where it was called itself: on the main actor, say.
///
/// - Throws: ``AnocmError`` when `relay` is no address, or the relay does not want the room.
public func withRoom<T: Sendable>(
    openedAt relay: String,
    _ room: NewRoom = NewRoom(),
    options: ClientOptions? = nil,
    isolation: isolated (any Actor)? = #isolation,
    _ body: (Room) async throws -> T
) async throws -> T {
    let client = try Client(relay: relay, options: options)
    return try await client.visit({ try client.create(room: room) }, body)
}

extension Client {
    fileprivate func visit<T: Sendable>(
        _ open: () throws -> Room,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (Room) async throws -> T
    ) async throws -> T {
        do {
            let room = try open()
            let result: T
            do {
                try await withTaskCancellationHandler {
                    try await room.entered()
                } onCancel: {
                    room.wipe()
                }
                result = try await body(room)
            } catch {
                await room.leave()
                throw error
            }
            await room.leave()
            await shutdown()
            return result
        } catch {
            await shutdown()
            throw error
        }
    }
}
