import XCTest

@testable import Anocm

/// The model of a screen, as in docs/mobile.md.
@MainActor final class RoomModel {
    private(set) var messages: [Message] = []
    private(set) var failure: String?

    func visit(_ link: String) async {
        do {
            try await withRoom(joining: link, nickname: "Bob") { room in
                for await event in room.events { show(event, of: room) }
            }
        } catch {
            failure = (error as? AnocmError)?.message
        }
    }

    private func show(_ event: RoomEvent, of room: Room) {
        switch event {
        case .message, .expired: messages = room.history()
        case .ended: messages = []
        default: break
        }
    }
}

/// Rooms on the main actor.
final class ModelTests: XCTestCase {
    func testAModelShowsWhatIsSaid() async throws {
        try await showsWhatIsSaid()
    }

    func testAModelSaysWhatIsWrong() async throws {
        let failure = await failure(of: "hello")
        XCTAssertEqual(failure?.isEmpty, false)
    }
}

@MainActor private func showsWhatIsSaid() async throws {
    let model = RoomModel()
    try await withRoom(openedAt: Relay.shared.url, NewRoom(nickname: "Alice")) { alice in
        let link = try alice.link
        let visiting = Task { await model.visit(link) }
        _ = try await alice.joined()
        try alice.send("hello", keep: .seconds(60))
        while model.messages.isEmpty { await Task.yield() }
        XCTAssertEqual(model.messages.map(\.text), ["hello"])
        visiting.cancel()
        await visiting.value
        let how = try await alice.departed()
        XCTAssertEqual(how, .left)
    }
}

@MainActor private func failure(of link: String) async -> String? {
    let model = RoomModel()
    await model.visit(link)
    return model.failure
}
