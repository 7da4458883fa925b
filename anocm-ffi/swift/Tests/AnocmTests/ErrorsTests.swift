import XCTest

@testable import Anocm

/// Errors, and how they are reported to a program.
final class ErrorsTests: XCTestCase {
    func testBadLinks() async throws {
        for text in ["", "hello", "ftp://relay.example/#x"] {
            await assertThrows({ if case .BadLink = $0 { true } else { false } }) {
                _ = try Client.forLink(link: text)
            }
        }
        for text in ["https://relay.example/", "https://relay.example/#"] {
            await assertThrows({ if case .LinkIncomplete = $0 { true } else { false } }) {
                _ = try Client.forLink(link: text)
            }
        }
        await assertThrows({ if case .LinkUnencrypted = $0 { true } else { false } }) {
            _ = try Client.forLink(link: "http://relay.example/#x")
        }
    }

    func testDamagedLinks() async throws {
        try await withRoom(openedAt: Relay.shared.url) { room in
            let good = try room.link
            let last = good.hasSuffix("A") ? "B" : "A"
            await assertThrows({ if case .LinkDamaged = $0 { true } else { false } }) {
                _ = try Client.forLink(link: good.dropLast() + last)
            }
            await assertThrows({ if case .LinkIncomplete = $0 { true } else { false } }) {
                _ = try Client.forLink(link: String(good.dropLast(4)))
            }
            let elsewhere = try Client(relay: "https://elsewhere.example/")
            await assertThrows({ if case .OtherRelay = $0 { true } else { false } }) {
                _ = try elsewhere.join(link: good, nickname: "Bob")
            }
            await elsewhere.shutdown()
        }
    }

    func testRoomsThatAreNoMore() async throws {
        try await withRoom(openedAt: Relay.shared.url) { alice in
            let old = try alice.link
            try alice.replaceInvite()
            try await alice.until { if case .inviteReplaced = $0 { () } else { nil } }
            await assertThrows({ if case .LinkReplaced = $0 { true } else { false } }) {
                try await withRoom(joining: old) { _ in XCTFail("is in") }
            }
            let gone = try alice.link
            try alice.closeForAll()
            _ = try await alice.ended()
            await assertThrows({ if case .NotInRoom = $0 { true } else { false } }) {
                try alice.send("too late")
            }
            await assertThrows({ if case .NoSuchRoom = $0 { true } else { false } }) {
                try await withRoom(joining: gone) { _ in XCTFail("is in") }
            }
        }
    }

    func testWhatCannotBeSaid() async throws {
        try await twoIn { alice, bob in
            await assertThrows({ if case .EmptyMessage = $0 { true } else { false } }) {
                try alice.send("")
            }
            await assertThrows({ if case .TooLong = $0 { true } else { false } }) {
                try alice.send(String(repeating: "x", count: 20_000))
            }
            await assertThrows({ if case .NoSuchMember = $0 { true } else { false } }) {
                try alice.whisper("nobody", to: "not an id")
            }
            let spans: [Duration] = [.milliseconds(500), .seconds(-1), .seconds(31 * 86_400), .seconds(Int64.max)]
            for span in spans {
                await assertThrows({ if case .BadRetention = $0 { true } else { false } }) {
                    try alice.send("x", keep: span)
                }
            }
            await assertThrows({ if case .NotAllowed = $0 { true } else { false } }) {
                try bob.closeForAll()
            }
            await assertThrows({ if case .BadNickname = $0 { true } else { false } }) {
                try bob.rename(nickname: " ")
            }
        }
    }

    func testNothingIsShownByAccident() async throws {
        try await withRoom(openedAt: Relay.shared.url, NewRoom(nickname: "Alice")) { alice in
            try alice.send("SECRET")
            let said = try await alice.hears("SECRET")
            let values: [Any] = [RoomEvent.message(message: said), said, alice.view()]
            for value in values {
                for text in ["\(value)", String(reflecting: value)] {
                    XCTAssertFalse(text.contains("SECRET") || text.contains("Alice"), text)
                }
            }
        }
    }
}
