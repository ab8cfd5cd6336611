// SPDX-License-Identifier: GPL-3.0-or-later

/// An entry of the journal, as it was read.
public struct JournalEntry: Hashable, Sendable {
    /// Its place, from which it would be read again.
    public let position: JournalPosition
    /// Since the boot, in microseconds (sd_journal_get_monotonic_usec(3)).
    public let monotonic: Int64
    public let bootID: String
    public let fields: JournalFields

    public init(
        position: JournalPosition, monotonic: Int64, bootID: String, fields: JournalFields
    ) {
        self.position = position
        self.monotonic = monotonic
        self.bootID = bootID
        self.fields = fields
    }

    /// The unit it is about: what systemd says of a unit counts as that unit's, as for
    /// `journalctl --unit`. Only systemd itself is believed.
    var unit: ArraySlice<UInt8>? {
        if fields.first("_PID")?.elementsEqual("1".utf8) == true, let unit = fields.first("UNIT") {
            return unit
        }
        return fields.first("_SYSTEMD_UNIT")
    }

    /// Its address and its fields, as `journalctl --all --output=json` shows them.
    var json: JSONObject {
        var object = JSONObject(capacity: fields.size + 1_024)
        object.add("__CURSOR", position.cursor)
        object.add("__REALTIME_TIMESTAMP", "\(position.time)")
        object.add("__MONOTONIC_TIMESTAMP", "\(monotonic)")
        if fields.first("_BOOT_ID") == nil { object.add("_BOOT_ID", bootID) }
        fields.visit { object.add($0, journalValues: $1) }
        return object
    }
}
