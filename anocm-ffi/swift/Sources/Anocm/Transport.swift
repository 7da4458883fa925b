import Foundation

/// How a relay is reached, in the program's own way.
///
/// Whatever is thrown in it is told to the guests as a lost connection, and the client tries again.
public protocol Transport: Sendable {
    /// Opens a connection. Throws ``TransportError``, or anything else, when it cannot. It is
    /// cancelled when it takes longer than the library waits.
    func connect() async throws -> any Link
}

/// One open connection to a relay: whole frames, in order, both ways.
public protocol Link: Sendable {
    /// Sends frames, each whole and in this order. Throws when it cannot.
    func send(_ frames: [Data]) async throws

    /// The next frame; `nil` after a clean close by the relay. Throws when the link is dead.
    func receive() async throws -> Data?

    /// Closes the connection, so that a `receive` that waits comes to its end. Called once.
    func close() async
}

/// A connection that does not come about, or has been lost. Guests see the failure.
public struct TransportError: Error {
    /// What guests are told.
    public let failure: TransportFailure

    /// A cut connection unless told otherwise.
    public init(_ failure: TransportFailure = .cut) {
        self.failure = failure
    }
}

extension Client {
    /// A client that reaches its relay through a transport of the program's own. `relay` is what
    /// stands in its links. Of the options, those of the WebSocket mean nothing.
    ///
    /// - Throws: ``AnocmError`` when `relay` is no address of a relay.
    public static func over(
        relay: String,
        _ transport: any Transport,
        options: ClientOptions? = nil
    ) throws -> Client {
        let host = HostTransport()
        let client = try over(relay: relay, transport: host, options: options)
        // It ends with the client: when there is nothing more to dial for. So does every link.
        Task {
            while let dial = await host.dial() {
                Task { await carry(dial, transport) }
            }
        }
        return client
    }
}

private func carry(_ dial: Dial, _ transport: any Transport) async {
    let link: any Link
    do {
        let connecting = Task { try await transport.connect() }
        // For as long as the library waits for it.
        Task {
            await dial.givenUp()
            connecting.cancel()
        }
        link = try await connecting.value
    } catch {
        dial.failed(why: failure(error, otherwise: .unreachable))
        return
    }
    let pipe = dial.connected()
    // Both ways, until either side closes or fails.
    await withTaskGroup(of: TransportFailure?.self) { ways in
        ways.addTask {
            do {
                while let frames = await pipe.outgoing() { try await link.send(frames) }
                return nil
            } catch {
                return failure(error, otherwise: .cut)
            }
        }
        ways.addTask {
            do {
                while let frame = try await link.receive() {
                    guard await pipe.incoming(frame: frame) else { break }
                }
                return nil
            } catch {
                return failure(error, otherwise: .cut)
            }
        }
        if let ended = await ways.next() { pipe.ended(why: ended) }
        ways.cancelAll()
        await link.close()
    }
}

private func failure(_ error: any Error, otherwise: TransportFailure) -> TransportFailure {
    (error as? TransportError)?.failure ?? otherwise
}
