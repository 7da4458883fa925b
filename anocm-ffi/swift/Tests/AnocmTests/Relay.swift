import Foundation
import XCTest

@testable import Anocm

/// An `anocm-server` in a separate process.
final class Relay: Sendable {
    /// One for all tests: rooms are independent of each other. It ends with the tests.
    static let shared = try! Relay()

    let url: String
    private let process: Process

    private init() throws {
        let programs = ProcessInfo.processInfo.environment["ANOCM_PROGRAMS"] ?? "../../target/debug"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "\(programs)/anocm-server")
        // Tests open more rooms than the default rate limits allow.
        process.arguments = [
            "--listen", "127.0.0.1:0",
            "--creations-per-minute", "1000000", "--requests-per-second", "1000000",
        ]
        let output = Pipe()
        process.standardOutput = output
        // Not inherited: a reader of the tests' output would otherwise wait for the relay as well.
        process.standardError = FileHandle.nullDevice
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        let words = line.trimmingCharacters(in: .whitespacesAndNewlines)
        url = words.replacingOccurrences(of: "listening on ", with: "")
        self.process = process
        // Tests that hang fail after ten minutes.
        DispatchQueue.global().asyncAfter(deadline: .now() + 600) { fatalError("hangs") }
        // SIGKILL, since the process inherits the signal mask of Swift's pool threads, which block
        // other signals.
        atexit { kill(Relay.shared.process.processIdentifier, SIGKILL) }
    }

    private typealias Pipe = Foundation.Pipe
}

/// The expected event did not occur.
struct Missing: Error {
    let what: String
}

extension Room {
    /// Waits for the next event for which `read` returns a value, and returns that.
    func until<T>(_ read: (RoomEvent) throws -> T?) async throws -> T {
        for await event in events {
            if let found = try read(event) { return found }
        }
        throw Missing(what: "the room ended before an event")
    }

    /// Waits for the next message with this text.
    func hears(_ text: String) async throws -> Message {
        try await until {
            if case .message(let message) = $0, message.text == text { message } else { nil }
        }
    }

    /// Waits until connected and up to date.
    func online() async throws {
        if view().connection == .online { return }
        try await until { if case .connection(.online) = $0 { () } else { nil } }
    }

    /// Waits for the next member to join.
    func joined() async throws -> Member {
        try await until { if case .joined(let member, _) = $0 { member } else { nil } }
    }

    /// Waits for the next member to leave, and returns how they left.
    func departed() async throws -> Departure {
        try await until { if case .departed(_, let how) = $0 { how } else { nil } }
    }

    /// Waits for the end of the room, and returns why it ended.
    func ended() async throws -> Ended {
        try await until { if case .ended(let why) = $0 { why } else { nil } }
    }

    /// Waits until the settings have changed.
    func settingsChanged() async throws {
        try await until { if case .settingsChanged = $0 { () } else { nil } }
    }

    /// The invite link.
    var link: String {
        get throws { try XCTUnwrap(view().link) }
    }

    /// The member of this name.
    func named(_ nickname: String) throws -> Member {
        try XCTUnwrap(view().members.first { $0.nickname == nickname })
    }
}

/// A room of Alice's that Bob has joined, each with a separate client.
func twoIn(_ test: (_ alice: Room, _ bob: Room) async throws -> Void) async throws {
    try await withRoom(openedAt: Relay.shared.url, NewRoom(nickname: "Alice")) { alice in
        try await withRoom(joining: alice.link, nickname: "Bob") { bob in
            try await test(alice, bob)
        }
    }
}

/// Passes when an error of this kind is thrown.
func assertThrows(
    _ kind: (AnocmError) -> Bool,
    line: UInt = #line,
    _ block: () async throws -> Void
) async {
    do {
        try await block()
        XCTFail("nothing was thrown", line: line)
    } catch let error as AnocmError {
        XCTAssert(kind(error), "\(error)", line: line)
    } catch {
        XCTFail("\(error)", line: line)
    }
}
