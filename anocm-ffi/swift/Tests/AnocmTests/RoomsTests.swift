import XCTest

@testable import Anocm

/// The use of rooms.
final class RoomsTests: XCTestCase {
    func testCreateAndTalk() async throws {
        try await twoIn { alice, bob in
            let id = try bob.send("Hello, stranger.")
            let said = try await alice.hears("Hello, stranger.")
            XCTAssertEqual(said.id, id)
            XCTAssertEqual(said.sender.nickname, "Bob")
            XCTAssertFalse(said.own)
            let own = try await bob.hears("Hello, stranger.")
            XCTAssert(own.own)
            XCTAssertEqual(alice.history().map(\.id), [id])
        }
    }

    func testJoinByLink() async throws {
        try await withRoom(openedAt: Relay.shared.url, NewRoom(nickname: "Alice")) { alice in
            try await withRoom(joining: alice.link, nickname: "Bob") { bob in
                let joined = try await alice.joined()
                XCTAssertEqual(joined.nickname, "Bob")
                let by = try await bob.until { if case .confirmed(let by) = $0 { by } else { nil } }
                XCTAssertEqual(by.id, alice.view().me)
                XCTAssertEqual(alice.view().confirmation, .opened)
                let safety = try XCTUnwrap(alice.view().safety)
                XCTAssertEqual(safety, bob.view().safety)
                XCTAssertEqual([safety.words.count, safety.emoji.count], [12, 6])
                XCTAssertEqual(bob.view().members.map(\.role), [.owner, .member])
                XCTAssertEqual(joined.id, bob.view().me)
            }
            let how = try await alice.departed()
            XCTAssertEqual(how, .left)
        }
    }

    func testRetentionAndExpiry() async throws {
        try await twoIn { alice, bob in
            let id = try bob.send("short", keep: .seconds(3))
            _ = try await bob.hears("short")
            let said = try await alice.hears("short")
            XCTAssertEqual(said.retention, .keep(millis: 3_000))
            XCTAssertLessThanOrEqual(try XCTUnwrap(said.expiresIn), .seconds(3))
            for room in [alice, bob] {
                let expired = try await room.until {
                    if case .expired(let id) = $0 { id } else { nil }
                }
                XCTAssertEqual(expired, id)
                XCTAssertEqual(room.history(), [])
            }

            // Zero is live: delivered, never stored.
            try bob.send("live", keep: .zero)
            let live = try await alice.hears("live")
            XCTAssertEqual(live.retention, .live)
            XCTAssertNil(live.expiresIn)
            XCTAssertEqual(alice.history(), [])

            // A guest's own cap also limits received messages.
            try alice.setGuestRetention(retention: GuestRetention(cap: .lasting(.seconds(2))))
            try bob.send("capped", keep: .seconds(60))
            let capped = try await alice.hears("capped")
            XCTAssertEqual(capped.retention, .keep(millis: 2_000))
        }
    }

    func testWhisperAndContentOfOnesOwn() async throws {
        try await twoIn { alice, bob in
            _ = try await alice.joined()
            try alice.whisper("psst", to: alice.named("Bob").id)
            let said = try await bob.hears("psst")
            XCTAssertEqual(said.whisperedTo?.nickname, "Bob")

            _ = try alice.sendCustom(kind: 7, body: Data([0, 255]))
            let body = try await bob.until {
                if case .custom(let sender, 7, let body, _) = $0, sender.nickname == "Alice" {
                    body
                } else {
                    nil
                }
            }
            XCTAssertEqual(body, Data([0, 255]))
        }
    }

    func testTypingPresenceAndNames() async throws {
        try await twoIn { alice, bob in
            _ = try await alice.joined()
            // Typing notifications are dropped rather than queued.
            try await bob.online()
            try bob.typing()
            let typing = try await alice.until {
                if case .typing(let member) = $0 { member } else { nil }
            }
            XCTAssertEqual(typing, bob.view().me)
            XCTAssert(alice.view().here.contains(typing))

            try bob.rename(nickname: "Robert")
            let names = try await alice.until {
                if case .renamed(let member, let before) = $0 { [before, member.nickname] } else { nil }
            }
            XCTAssertEqual(names, ["Bob", "Robert"])
        }
    }

    func testRolesAndWhatARoomAllows() async throws {
        try await twoIn { alice, bob in
            _ = try await alice.joined()
            try alice.setRole(member: alice.named("Bob").id, role: .moderator)
            try await bob.settingsChanged()
            XCTAssertEqual(try bob.named("Bob").role, .moderator)

            let allowed = RoomRetention(
                minRetention: .live, defaultRetention: .live, maxRetention: .keep(millis: 60_000)
            )
            try alice.setRoomRetention(retention: allowed)
            try await bob.settingsChanged()
            XCTAssertEqual(bob.view().retention, allowed)

            let before = try bob.link
            try bob.replaceInvite()
            try await alice.until { if case .inviteReplaced = $0 { () } else { nil } }
            XCTAssertNotEqual(try alice.link, before)

            let epoch = alice.view().epoch
            try bob.refreshKeys()
            while alice.view().epoch == epoch {
                try await alice.until { if case .epochBegan = $0 { () } else { nil } }
            }
        }
    }

    func testRemove() async throws {
        try await twoIn { alice, bob in
            _ = try await alice.joined()
            let (before, me) = (try alice.link, try XCTUnwrap(alice.view().me))
            try alice.remove(member: alice.named("Bob").id)
            let why = try await bob.ended()
            XCTAssertEqual(why, .removed(by: me))
            let how = try await alice.departed()
            XCTAssertEqual(how, .removed(by: me))
            XCTAssertNotEqual(try alice.link, before)
        }
    }

    func testCloseForAll() async throws {
        try await twoIn { alice, bob in
            // A guest who is offline when the room is closed only finds that it no longer exists.
            try await bob.online()
            try alice.closeForAll()
            for room in [alice, bob] {
                let why = try await room.ended()
                XCTAssertEqual(why, .closed)
                XCTAssertEqual(room.view().ended, .closed)
                XCTAssertEqual(room.view().members, [])
            }
        }
    }

    func testShutdown() async throws {
        let client = try Client(relay: Relay.shared.url)
        let rooms = try (0..<3).map { _ in try client.create(room: NewRoom()) }
        for room in rooms { try await room.entered() }
        async let end = rooms[0].ended()
        await client.shutdown()
        let why = try await end
        XCTAssertEqual(why, .wiped)
        for room in rooms { XCTAssertEqual(room.view().ended, .wiped) }
        await client.shutdown()
    }

    func testACancelledTaskLosesNothing() async throws {
        try await twoIn { alice, bob in
            let iterating = Task { for await _ in bob.events {} }
            iterating.cancel()
            await iterating.value
            try alice.send("first")
            _ = try await bob.hears("first")
        }
    }

    func testARoomLastsAsLongAsItsEventsAreIterated() async throws {
        try await withRoom(openedAt: Relay.shared.url) { alice in
            let client = try Client.forLink(link: alice.link)
            for await event in try client.join(link: alice.link, nickname: "Bob").events {
                if case .message = event { break }
                if case .entered = event { try alice.send("hello") }
                if case .ended(let why) = event { XCTFail("\(why)") }
            }
            await client.shutdown()
        }
    }

    func testACancelledGuestGivesUp() async throws {
        let waiting = Task {
            // There is no relay at this address.
            try await withRoom(openedAt: "http://127.0.0.1:9/") { _ in XCTFail("is in") }
        }
        waiting.cancel()
        await assertThrows({ if case .RoomOver = $0 { true } else { false } }) {
            try await waiting.value
        }
    }
}
