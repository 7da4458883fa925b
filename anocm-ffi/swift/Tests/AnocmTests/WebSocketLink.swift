import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

@testable import Anocm

/// A connection over Foundation's own WebSocket client.
final class WebSocketLink: Link {
    private let socket: URLSessionWebSocketTask

    init(to relay: String) {
        let address = URL(string: relay.replacingOccurrences(of: "http://", with: "ws://") + "ws")!
        var request = URLRequest(url: address)
        // Foundation on Linux omits this header.
        request.setValue("Upgrade", forHTTPHeaderField: "Connection")
        socket = URLSession.shared.webSocketTask(with: request)
        socket.maximumMessageSize = 1_000_000
        socket.resume()
    }

    func send(_ frames: [Data]) async throws {
        for frame in frames { try await socket.send(.data(frame)) }
    }

    func receive() async throws -> Data? {
        do {
            guard case .data(let frame) = try await socket.receive() else { throw TransportError() }
            return frame
        } catch where socket.closeCode == .normalClosure {
            return nil
        }
    }

    func close() async {
        socket.cancel(with: .normalClosure, reason: nil)
    }

    /// Cuts the connection without a close message.
    func abort() {
        socket.cancel()
    }
}

/// Opens such connections, and records them.
final class WebSocketTransport: Transport {
    let links = Shared<[WebSocketLink]>([])
    private let relay: String

    init(to relay: String) {
        self.relay = relay
    }

    func connect() async throws -> any Link {
        let link = WebSocketLink(to: relay)
        links.with { $0.append(link) }
        return link
    }
}

/// A transport that calls `meddle` before it connects, sends and receives.
struct Meddling: Transport {
    let relay: String
    let meddle: @Sendable (String) async throws -> Void

    func connect() async throws -> any Link {
        try await meddle("connect")
        return MeddlingLink(link: WebSocketLink(to: relay), meddle: meddle)
    }

    private struct MeddlingLink: Link {
        let link: WebSocketLink
        let meddle: @Sendable (String) async throws -> Void

        func send(_ frames: [Data]) async throws {
            try await meddle("send")
            try await link.send(frames)
        }

        func receive() async throws -> Data? {
            try await meddle("receive")
            return try await link.receive()
        }

        func close() async {
            await link.close()
        }
    }
}

/// A value that several tasks share.
final class Shared<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) {
        self.value = value
    }

    func with<T>(_ use: (inout Value) throws -> T) rethrows -> T {
        lock.lock()
        defer { lock.unlock() }
        return try use(&value)
    }
}
