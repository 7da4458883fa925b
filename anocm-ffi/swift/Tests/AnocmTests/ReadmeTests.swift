import Foundation
import XCTest

@testable import Anocm

/// The README's example.
final class ReadmeTests: XCTestCase {
    func testTheExampleGreetsAndPrintsWhatIsSaid() async throws {
        let program = try XCTUnwrap(ProcessInfo.processInfo.environment["ANOCM_README"])
        try await withRoom(openedAt: Relay.shared.url, NewRoom(nickname: "Alice")) { alice in
            let example = try Example(program)
            try example.types(alice.link)
            let said = try await alice.hears("Hello, stranger.")
            XCTAssertEqual(said.retention, .keep(millis: 60_000))
            try alice.send("And to you.")
            XCTAssertEqual(example.prints(), "Bot: Hello, stranger.")
            XCTAssertEqual(example.prints(), "Alice: And to you.")
            // It ends with the room.
            try alice.closeForAll()
            XCTAssertEqual(example.ends(), 0)
        }
    }
}

/// A program that prints each line at once, as it would on a terminal.
private final class Example {
    private let process = Process()
    private let input = Foundation.Pipe()
    private let output = Foundation.Pipe()
    private var printed = Data()

    init(_ program: String) throws {
        #if os(Linux)
        let unbuffered = ["stdbuf", "-oL", program]
        #else
        let unbuffered = ["script", "-q", "/dev/null", program]
        #endif
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = unbuffered
        process.standardInput = input
        process.standardOutput = output
        try process.run()
    }

    func types(_ line: String) throws {
        try input.fileHandleForWriting.write(contentsOf: Data("\(line)\n".utf8))
    }

    /// The next line; an empty one at the end.
    func prints() -> String {
        while !printed.contains(UInt8(ascii: "\n")) {
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { break }
            printed.append(more)
        }
        let line = printed.prefix { $0 != UInt8(ascii: "\n") }
        printed = Data(printed.dropFirst(line.count + 1))
        return String(decoding: line, as: UTF8.self).trimmingCharacters(in: .newlines)
    }

    func ends() -> Int32 {
        process.waitUntilExit()
        return process.terminationStatus
    }
}
