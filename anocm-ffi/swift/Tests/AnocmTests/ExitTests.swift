import Foundation
import XCTest

@testable import Anocm

/// What remains in a process when rooms have ended.
final class ExitTests: XCTestCase {
    #if os(Linux)
    func testNoThreadIsLeft() async throws {
        for _ in 0..<10 {
            try await twoIn { _, _ in XCTAssertFalse(libraryThreads().isEmpty) }
            XCTAssertEqual(libraryThreads(), [])
        }
    }

    func testAThousandRoomsLeaveNoMemoryBehind() async throws {
        try await openAndClose(200)
        let before = try resident()
        try await openAndClose(1_000)
        let grown = try resident() - before
        print("after a thousand rooms: \(grown / 1024) KiB more")
        XCTAssertLessThan(grown, 4_000_000)
    }

    private func openAndClose(_ count: Int) async throws {
        let client = try Client(relay: Relay.shared.url)
        for _ in 0..<count / 10 {
            let rooms = try (0..<10).map { _ in try client.create(room: NewRoom()) }
            for room in rooms {
                try await room.entered()
                try room.closeForAll()
                _ = try await room.ended()
            }
        }
        await client.shutdown()
    }
    #endif
}

/// The names of the library's threads, except for those that OpenMLS keeps.
private func libraryThreads() -> [String] {
    let tasks = "/proc/self/task"
    let all = (try? FileManager.default.contentsOfDirectory(atPath: tasks)) ?? []
    return all
        // A thread may end meanwhile.
        .compactMap { try? String(contentsOfFile: "\(tasks)/\($0)/comm", encoding: .utf8) }
        .map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
        .filter { $0.hasPrefix("anocm") && $0 != "anocm-mls" }
}

/// The resident memory of this process in bytes.
private func resident() throws -> Int {
    let words = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
    return try XCTUnwrap(Int(words[1])) * 4096
}
