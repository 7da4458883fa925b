import Foundation

/// A connection to a relay that the program implements.
///
/// Guests see every error thrown here as a lost connection, and the client reconnects.
public protocol Transport: Sendable {
    /// Opens a connection. Throws ``TransportError``, or any other error, on failure. It is
    /// cancelled when it takes longer than the library's timeout.
    func connect() async throws -> any Link
}

/// One open connection to a relay: whole frames, in order, both ways.
public protocol Link: Sendable {
    /// Sends frames, each whole and in this order. Throws on failure.
    func send(_ frames: [Data]) async throws

    /// Returns the next frame; `nil` after a clean close by the relay. Throws when the link is
    /// dead.
    func receive() async throws -> Data?

    /// Closes the connection, so that a waiting `receive` returns. Called once.
    func close() async
}

/// A connection attempt failed, or a connection was lost. Guests see the failure.
public struct TransportError: Error {
    /// The reason that guests see.
    public let failure: TransportFailure

    /// Creates an error; a cut connection by default.
    public init(_ failure: TransportFailure = .cut) {
        self.failure = failure
    }
}

extension Client {
    /// Creates a client that reaches its relay through the program's own transport. `relay` is the
    /// URL that appears in its links. The WebSocket options are ignored.
    ///
    /// - Throws: ``AnocmError`` when `relay` is not a relay URL.
    public static func over(
        relay: String,
        _ transport: any Transport,
        options: ClientOptions? = nil
    ) throws -> Client {
        let host = HostTransport()
        let client = try over(relay: relay, transport: host, options: options)
        // Ends with the client, when there are no more dials. So does every link.
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
        // Cancels the attempt when the library no longer waits for it.
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
    // Forwards frames both ways, until either side closes or fails.
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
