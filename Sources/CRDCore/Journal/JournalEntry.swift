// SPDX-License-Identifier: GPL-3.0-or-later

/// An entry of the journal, as it was read.
public struct JournalEntry: Hashable, Sendable {
    /// Its place, from which it would be read again.
    public let position: JournalPosition
    public let fields: JournalFields
    /// Its address and its fields, as `journalctl --all --output=json` shows them: written once,
    /// however many modules get it.
    public let json: [UInt8]
    /// How long before it was read it was sent to journald; nil where that was in another boot.
    public let age: Duration?
    /// Whether journald knows the cgroup of whoever logged it, which is not one of ours.
    public let isForeign: Bool

    public init(
        position: JournalPosition, fields: JournalFields, age: Duration? = .zero,
        isForeign: Bool = false
    ) {
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
        json = object.finish()
    }

    /// The unit it is about: what systemd says of a unit counts as that unit's, and so does what
    /// root's services say of it, as for `journalctl --unit`. Nobody else is believed.
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

    /// What systemd-coredump says of a process that dumped core (sd-messages.h).
    public static let coredumpID = "fc2e22bc6ee647b6b90729ab34a250b1"
}
