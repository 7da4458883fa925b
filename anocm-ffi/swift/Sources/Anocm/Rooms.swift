@_exported import AnocmGenerated

/// The events of a room, until it has ended for this guest.
///
/// A room has one subscription at a time: a new iteration ends the previous one and continues where
/// that stopped. Nothing is lost when an iterating task is cancelled. The program must keep
/// iterating: when events are not fetched, backpressure makes the client stop reading from its
/// connection, for all its rooms.
public struct RoomEvents: AsyncSequence, Sendable {
    /// An event.
    public typealias Element = RoomEvent

    let room: Room

    /// Creates a new subscription.
    public func makeAsyncIterator() -> Iterator {
        Iterator(room: room, events: room.subscribe())
    }

    /// One subscription. It ends when its task is cancelled.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        /// Keeps the room alive: a room without references is wiped.
        let room: Room
        let events: Events

        /// Waits for the next event; `nil` when this subscription has ended.
        public mutating func next() async -> RoomEvent? {
            await withTaskCancellationHandler {
                while await events.ready() {
                    // An event that was ready may have expired by the time it is taken.
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
    /// The events of the room.
    public var events: RoomEvents { RoomEvents(room: self) }
}

/// Joins a room with a separate client, and calls `body` once the guest has joined. When `body`
/// ends, also by an error, the guest leaves properly and everything of the room is wiped on this
/// side.
///
/// While the relay cannot be reached, this keeps waiting, until the task is cancelled.
///
/// Calls `body` on the caller's actor, for example the main actor.
///
/// - Throws: ``AnocmError`` when the link is invalid, or the guest could not join.
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

/// Opens a room at a relay with a separate client, and calls `body` once it is open. When `body`
/// ends, also by an error, the guest leaves properly and everything of the room is wiped on this
/// side.
///
/// Calls `body` on the caller's actor, for example the main actor.
///
/// - Throws: ``AnocmError`` when `relay` is not a relay URL, or the relay refuses the room.
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
