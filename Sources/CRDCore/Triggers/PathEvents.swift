// SPDX-License-Identifier: GPL-3.0-or-later

/// The events of a path, with the bits and the meanings of inotify(7).
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

    /// All events that inotify(7) can watch.
    public static let all = PathEvents(rawValue: 1 << 12 - 1)
    /// The events of a trigger that names none.
    public static let usual: PathEvents = [
        .create, .modify, .closeWrite, .movedTo, .movedFrom, .delete,
    ]
    /// Events of a name in its directory.
    public static let ofNames: PathEvents = [.create, .delete, .movedFrom, .movedTo]
    /// Events of a file, whatever its name is.
    public static let ofContent: PathEvents = [
        .access, .modify, .attrib, .closeWrite, .closeNoWrite, .open, .deleteSelf, .moveSelf,
    ]
    /// Events that say that something no longer exists. All others say that it exists, so they
    /// apply to a file that was found without events of its own.
    public static let departures: PathEvents = [
        .delete, .deleteSelf, .movedFrom, .moveSelf, .unmount,
    ]

    /// The events of a directory itself that correspond to these events in its parent directory.
    public var ofThemselves: PathEvents {
        var own: PathEvents = []
        if contains(.movedFrom) { own.insert(.moveSelf) }
        if contains(.delete) { own.insert(.deleteSelf) }
        return own
    }

    /// Each single event with its inotifywait(1) name, in the order of the bits.
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
