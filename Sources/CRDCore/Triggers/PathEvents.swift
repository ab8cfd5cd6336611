// SPDX-License-Identifier: GPL-3.0-or-later

/// What can happen to a path, with the bits and the meanings of inotify(7).
public struct PathEvents: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    public static let access = PathEvents(rawValue: 1 << 0)
    public static let modify = PathEvents(rawValue: 1 << 1)
    public static let attrib = PathEvents(rawValue: 1 << 2)
    public static let closeWrite = PathEvents(rawValue: 1 << 3)
    public static let closeNoWrite = PathEvents(rawValue: 1 << 4)
    public static let open = PathEvents(rawValue: 1 << 5)
    public static let movedFrom = PathEvents(rawValue: 1 << 6)
    public static let movedTo = PathEvents(rawValue: 1 << 7)
    public static let create = PathEvents(rawValue: 1 << 8)
    public static let delete = PathEvents(rawValue: 1 << 9)
    public static let deleteSelf = PathEvents(rawValue: 1 << 10)
    public static let moveSelf = PathEvents(rawValue: 1 << 11)
    public static let unmount = PathEvents(rawValue: 1 << 13)

    /// All that inotify(7) can be asked for.
    public static let all = PathEvents(rawValue: 1 << 12 - 1)
    /// What a trigger waits for that names no events.
    public static let usual: PathEvents = [
        .create, .modify, .closeWrite, .movedTo, .movedFrom, .delete,
    ]
    /// What happens to a name in its directory.
    public static let ofNames: PathEvents = [.create, .delete, .movedFrom, .movedTo]
    /// What happens to a file whatever its name is.
    public static let ofContent: PathEvents = [
        .access, .modify, .attrib, .closeWrite, .closeNoWrite, .open, .deleteSelf, .moveSelf,
    ]
    /// What says that something is no longer there. All others say that something is, so they
    /// would have been seen of a file that was found without its own events.
    public static let departures: PathEvents = [
        .delete, .deleteSelf, .movedFrom, .moveSelf, .unmount,
    ]

    /// What a directory would tell of itself when these are what its own directory tells of it.
    public var ofThemselves: PathEvents {
        var own: PathEvents = []
        if contains(.movedFrom) { own.insert(.moveSelf) }
        if contains(.delete) { own.insert(.deleteSelf) }
        return own
    }

    /// Each single event under the name that inotifywait(1) gives it, in the order of the bits.
    static let names: [(name: String, event: PathEvents)] = [
        ("access", .access), ("modify", .modify), ("attrib", .attrib),
        ("close_write", .closeWrite), ("close_nowrite", .closeNoWrite), ("open", .open),
        ("moved_from", .movedFrom), ("moved_to", .movedTo), ("create", .create),
        ("delete", .delete), ("delete_self", .deleteSelf), ("move_self", .moveSelf),
        ("unmount", .unmount),
    ]
    /// inotifywait's names for two events together.
    static let collectiveNames: [(name: String, event: PathEvents)] = [
        ("close", [.closeWrite, .closeNoWrite]), ("move", [.movedFrom, .movedTo]),
    ]

    /// The single events, by name.
    public var names: [String] {
        Self.names.lazy.filter { contains($0.event) }.map(\.name)
    }
}
