import Anocm
import Foundation

let usage = """
    A guest at a terminal: what is typed is said, what is said is printed.
        talk NAME                                 asks for a room's link, and joins
        talk NAME --open https://relay.example/   opens a room, and prints its link
    """

/// Until the room is over, or nothing more is typed.
@Sendable func talk(in room: Room, _ lines: AsyncStream<String>) async {
    tell("room: \(room.view().link ?? "")")
    await withTaskGroup(of: Void.self) { ways in
        ways.addTask { for await event in room.events { show(event) } }
        ways.addTask { for await line in lines where !line.isEmpty { say(line, in: room) } }
        await ways.next()
        ways.cancelAll()
    }
}

@Sendable func say(_ line: String, in room: Room) {
    do {
        try room.send(line)
    } catch {
        tell("* not said: \(shown(error))")
    }
}

@Sendable func show(_ event: RoomEvent) {
    switch event {
    case .message(let said):
        tell("\(said.whisperedTo == nil ? "" : "(whisper) ")\(name(said.sender)): \(said.text)")
    case .joined(let member, _):
        tell("* \(name(member)) is here")
    case .departed(let member, .removed):
        tell("* \(name(member)) was removed")
    case .departed(let member, .left):
        tell("* \(name(member)) has left")
    case .epochBegan(_, let safety):
        tell("safety: \(safety.words.joined(separator: " "))")
    case .notSent:
        tell("* something was not sent")
    case .posture(.unknown):
        tell("* the relay cannot tell whether it keeps to memory only")
    case .posture(.broken):
        tell("* the relay does NOT keep to memory only")
    case .ended:
        tell("* the room is over")
    default:
        break
    }
}

/// A name can be taken by anybody, a tag cannot.
@Sendable func name(_ member: Member) -> String {
    "\(member.nickname) #\(member.tag)"
}

/// What is typed, line by line; on a thread of its own, since nothing ends such a wait. Not by
/// `readLine`, which would hold what the end of a program waits for.
func typed() -> AsyncStream<String> {
    AsyncStream { lines in
        Thread.detachNewThread {
            var begun = Data()
            while case let more = FileHandle.standardInput.availableData, !more.isEmpty {
                begun.append(more)
                while let end = begun.firstIndex(of: UInt8(ascii: "\n")) {
                    lines.yield(String(decoding: begun[..<end], as: UTF8.self))
                    begun = Data(begun[(end + 1)...])
                }
            }
            lines.finish()
        }
    }
}

/// Cancels when the program is told to stop, so that the others hear that this guest leaves.
func leaveWhenStopped(_ talking: Task<Void, any Error>) -> [any DispatchSourceSignal] {
    [SIGINT, SIGTERM].map { number in
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number)
        source.setEventHandler { talking.cancel() }
        source.resume()
        return source
    }
}

/// Each line at once, into a pipe too.
@Sendable func tell(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}

@Sendable func shown(_ error: any Error) -> String {
    (error as? AnocmError)?.message ?? "\(error)"
}

func failed(_ why: String) -> Never {
    FileHandle.standardError.write(Data("\(why)\n".utf8))
    exit(1)
}

let words = CommandLine.arguments.dropFirst().map { $0 }
guard words.count == 1 || (words.count == 3 && words[1] == "--open") else { failed(usage) }
let lines = typed()
let talking = Task {
    if words.count == 1 {
        var link = ""
        for await line in lines {
            link = line
            break
        }
        try await withRoom(joining: link, nickname: words[0]) { await talk(in: $0, lines) }
    } else {
        let room = NewRoom(nickname: words[0])
        try await withRoom(openedAt: words[2], room) { await talk(in: $0, lines) }
    }
}
let signals = leaveWhenStopped(talking)
do {
    try await talking.value
} catch {
    if !talking.isCancelled { failed("not in the room: \(shown(error))") }
}
