extension Retention {
    /// The retention for a time span of one second to thirty days; zero is live: delivered, never
    /// stored.
    ///
    /// - Throws: ``AnocmError/BadRetention(message:)`` for anything else.
    public static func lasting(_ span: Duration) throws -> Retention {
        if span == .zero { return .live }
        let max = Duration.milliseconds(Int64(UInt32.max))
        guard span >= .milliseconds(1), span <= max else {
            throw AnocmError.BadRetention(
                message: "a message is kept for one second to thirty days, or not at all"
            )
        }
        return .keep(millis: UInt32(span / .milliseconds(1)))
    }
}

extension Room {
    /// Sends a message to all members, kept for a time span. Returns its id.
    @discardableResult
    public func send(_ text: String, keep span: Duration? = nil) throws -> String {
        try send(text: text, retention: span.map(Retention.lasting))
    }

    /// Sends a message that only the member with the id `member` can read. Returns its id.
    @discardableResult
    public func whisper(_ text: String, to member: String, keep span: Duration? = nil) throws
        -> String
    {
        try whisper(to: member, text: text, retention: span.map(Retention.lasting))
    }
}

extension Message {
    /// The remaining retention time; `nil` for a live message.
    public var expiresIn: Duration? {
        expiresInMillis.map { .milliseconds(Int64(clamping: $0)) }
    }
}
