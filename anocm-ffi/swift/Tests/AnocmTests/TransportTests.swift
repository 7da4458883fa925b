import Foundation
import XCTest

@testable import Anocm

/// Transports written in Swift, well-behaved and not.
final class TransportTests: XCTestCase {
    private let relay = Relay.shared.url

    func testATransportOfOnesOwn() async throws {
        let transport = WebSocketTransport(to: relay)
        try await over(transport) { alice, bob in
            try bob.send("over the built-in one")
            _ = try await alice.hears("over the built-in one")
            try alice.send("over another")
            _ = try await bob.hears("over another")
        }
        XCTAssertEqual(transport.links.with { $0.count }, 1)
    }

    func testATransportThatCannotConnect() async throws {
        let nowhere = Meddling(relay: relay) { _ in throw TransportError(.proxyUnreachable) }
        let client = try Client.over(relay: relay, nowhere)
        let room = try client.create(room: NewRoom())
        let why = try await room.waits()
        XCTAssertEqual(why, .proxyUnreachable)
        await client.shutdown()
    }

    func testATransportThatThrows() async throws {
        struct OfTheProgram: Error {}
        for place in ["connect", "send", "receive"] {
            let times = Shared(0)
            let throwing = Meddling(relay: relay) { here in
                if here == place, times.next() == 0 { throw OfTheProgram() }
            }
            try await over(throwing) { alice, bob in
                try alice.send("still here")
                _ = try await bob.hears("still here")
            }
            XCTAssertGreaterThan(times.with { $0 }, 1)
        }
    }

    func testATransportThatBlocks() async throws {
        for place in ["connect", "send", "receive"] {
            let times = Shared(0)
            let blocking = Meddling(relay: relay) { here in
                if here == place, times.next() == 0 { block() }
            }
            try await over(blocking) { alice, bob in
                try alice.send("still here")
                _ = try await bob.hears("still here")
            }
            XCTAssertGreaterThan(times.with { $0 }, 0)
        }
    }

    func testATransportThatCallsBack() async throws {
        let rooms = Shared<[Room]>([])
        let calls = Shared(0)
        let calling = Meddling(relay: relay) { _ in
            for room in rooms.with({ $0 }) {
                _ = calls.next()
                // Functions that a program may call.
                _ = (room.view(), room.history())
                do { try room.typing() } catch AnocmError.NotInRoom {}
            }
        }
        try await over(calling) { alice, bob in
            rooms.with { $0 = [alice] }
            try alice.send("still here")
            _ = try await bob.hears("still here")
            try bob.send("here too")
            _ = try await alice.hears("here too")
            rooms.with { $0 = [] }
        }
        XCTAssertGreaterThan(calls.with { $0 }, 0)
    }

    func testATransportThatEndsItsOwnClient() async throws {
        let client = Shared<Client?>(nil)
        let times = Shared(0)
        let ending = Meddling(relay: relay) { here in
            if here == "send", times.next() == 0 {
                Task { await client.with { $0 }?.shutdown() }
            }
        }
        let made = try Client.over(relay: relay, ending)
        client.with { $0 = made }
        let why = try await made.create(room: NewRoom()).ended()
        XCTAssertEqual(why, .wiped)
        await made.shutdown()
    }

    func testACutConnectionIsMadeAgain() async throws {
        let transport = WebSocketTransport(to: relay)
        try await over(transport) { alice, bob in
            transport.links.with { $0[0] }.abort()
            _ = try await alice.waits()
            try bob.send("while you were away")
            _ = try await alice.hears("while you were away")
        }
        XCTAssertEqual(transport.links.with { $0.count }, 2)
    }

    func testAConnectionIsMadeAnewWhenAsked() async throws {
        let transport = WebSocketTransport(to: relay)
        let client = try Client.over(relay: relay, transport)
        let alice = try client.create(room: NewRoom(nickname: "Alice"))
        try await alice.entered()
        try await withRoom(joining: alice.link, nickname: "Bob") { bob in
            client.reconnect()
            try bob.send("meanwhile")
            _ = try await alice.hears("meanwhile")
            try alice.send("here again")
            _ = try await bob.hears("here again")
        }
        await client.shutdown()
        XCTAssertEqual(transport.links.with { $0.count }, 2)
    }

    func testOneClientForOneTransport() async throws {
        let host = HostTransport()
        let client = try Client.over(relay: relay, transport: host)
        await assertThrows({ if case .TransportInUse = $0 { true } else { false } }) {
            _ = try Client.over(relay: relay, transport: host)
        }
        await client.shutdown()
        let dial = await host.dial()
        XCTAssertNil(dial)
    }

    /// Alice over `transport` and Bob over the built-in one.
    private func over(
        _ transport: any Transport,
        _ test: (_ alice: Room, _ bob: Room) async throws -> Void
    ) async throws {
        let client = try Client.over(relay: relay, transport)
        let alice = try client.create(room: NewRoom(nickname: "Alice"))
        try await alice.entered()
        try await withRoom(joining: alice.link, nickname: "Bob") { bob in
            try await test(alice, bob)
        }
        await client.shutdown()
    }
}

/// Blocks the thread for a second, which a program should not do.
private func block() {
    Thread.sleep(forTimeInterval: 1)
}

extension Room {
    /// Waits until the client backs off, and returns why the last attempt failed.
    fileprivate func waits() async throws -> TransportFailure {
        try await until {
            if case .connection(.waiting(_, let why)) = $0 { why } else { nil }
        }
    }
}

extension Shared where Value == Int {
    /// Returns the count and increments it.
    fileprivate func next() -> Int {
        with { count in
            defer { count += 1 }
            return count
        }
    }
}
