extension AnocmError {
    /// The error message, fit for display.
    public var message: String {
        switch self {
        case .BadLink(let message), .LinkIncomplete(let message), .LinkDamaged(let message),
            .LinkTooNew(let message), .LinkUnencrypted(let message), .BadNickname(let message),
            .BadRetention(let message), .BadSettings(let message), .BadProxy(let message),
            .BadCertificate(let message), .OnionNeedsProxy(let message),
            .TransportInUse(let message), .OtherRelay(let message), .AlreadyThere(let message),
            .TooManyRooms(let message),
            .ShutDown(let message), .NoSuchRoom(let message), .LinkReplaced(let message),
            .BadDoor(let message), .NewerProgram(let message), .RelayRefused(let message), .RoomTooBusy(let message),
            .DishonestRelay(let message), .RoomOver(let message), .NotInRoom(let message),
            .NoSuchMember(let message), .NotAllowed(let message), .TooLong(let message),
            .EmptyMessage(let message), .BadKind(let message), .QueueFull(let message), .BeyondPolicy(let message),
            .RoomBroken(let message), .System(let message), .Unexpected(let message):
            message
        }
    }
}
