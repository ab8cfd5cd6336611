// SPDX-License-Identifier: GPL-3.0-or-later

/// An entry of the journal.
public struct JournalEntry: Hashable, Sendable {
    /// The position to read this entry again from.
    public let position: JournalPosition
    public let fields: JournalFields
    /// Its address and fields as `journalctl --all --output=json` shows them. They are encoded
    /// once, however many modules get the entry.
    public let json: [UInt8]
    /// When the daemon read it.
    public internal(set) var readAt: Instant
    /// The time from sending the entry to journald until it was read; nil for one of another boot.
    public let age: Duration?
    /// Whether journald knows the sender's cgroup, and it is not one of the daemon's.
    public let isForeign: Bool

    public init(
        position: JournalPosition, fields: JournalFields, readAt: Instant, age: Duration? = .zero,
        isForeign: Bool = false
    ) {
        self.readAt = readAt
        self.age = age
        self.isForeign = isForeign
        self.position = position
        self.fields = fields
        var object = JSONObject(capacity: fields.size + 1_024)
        object.add("__CURSOR", position.cursor)
        object.add("__REALTIME_TIMESTAMP", "\(position.time)")
        object.add("__MONOTONIC_TIMESTAMP", "\(position.monotonic)")
        if fields.first("_BOOT_ID") == nil { object.add("_BOOT_ID", position.bootID) }
        fields.visit { object.add($0, journalValues: $1) }
        json = object.encoded()
    }

    /// The unit that the entry is about, as for `journalctl --unit`. An entry that systemd or a
    /// service of root logs about a unit counts as that unit's; the same claim by others is
    /// ignored.
    var unit: ArraySlice<UInt8>? {
        func has(_ name: String, _ value: String) -> Bool {
            fields.first(name)?.elementsEqual(value.utf8) ?? false
        }
        if has("_PID", "1"), let unit = fields.first("UNIT") { return unit }
        if has("_UID", "0") {
            if has("MESSAGE_ID", Self.coredumpID), let unit = fields.first("COREDUMP_UNIT") {
                return unit
            }
            if let unit = fields.first("OBJECT_SYSTEMD_UNIT") { return unit }
        }
        return fields.first("_SYSTEMD_UNIT")
    }

    /// The message ID by which systemd-coredump reports a process that dumped core (sd-messages.h).
    public static let coredumpID = "fc2e22bc6ee647b6b90729ab34a250b1"
}
