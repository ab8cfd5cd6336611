// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CSystemd
import Glibc
import SystemPackage

/// A handle on this machine's journal (sd-journal(3)), positioned on an entry or before the first.
///
/// It belongs to the thread that opened it. The result of `data` is valid until the next call.
final class JournalReader {
    private let journal: OpaquePointer
    /// Readable when files were added or removed (sd_journal_get_fd(3)).
    let descriptor: CInt

    /// Opens the volatile and the persistent journal of this machine alone (sd_journal_open(3)).
    init() throws(SystemCallError) {
        var opened: OpaquePointer?
        try libsystemdCall("sd_journal_open") {
            sd_journal_open(&opened, CInt(SD_JOURNAL_LOCAL_ONLY))
        }
        guard let opened else { preconditionFailure("sd_journal_open gave no handle") }
        do throws(SystemCallError) {
            // Limits how much of a compressed value is unpacked.
            try libsystemdCall("sd_journal_set_data_threshold") {
                sd_journal_set_data_threshold(opened, Self.threshold)
            }
            descriptor = try libsystemdCall("sd_journal_get_fd") { sd_journal_get_fd(opened) }
        } catch {
            sd_journal_close(opened)
            throw error
        }
        journal = opened
    }

    deinit { sd_journal_close(journal) }

    /// Processes added and removed files (sd_journal_process(3)).
    func process() throws(SystemCallError) {
        try libsystemdCall("sd_journal_process") { sd_journal_process(journal) }
    }

    // MARK: Positions

    /// Moves to the next entry (sd_journal_next(3)).
    ///
    /// - Returns: false at the end.
    func next() throws(SystemCallError) -> Bool {
        try libsystemdCall("sd_journal_next") { sd_journal_next(journal) } > 0
    }

    /// Moves to the last entry; returns false if there is none.
    func goToEnd() throws(SystemCallError) -> Bool {
        try libsystemdCall("sd_journal_seek_tail") { sd_journal_seek_tail(journal) }
        return try libsystemdCall("sd_journal_previous") { sd_journal_previous(journal) } > 0
    }

    /// Moves to the entry with the cursor, or to the next one if it is gone; returns false at the
    /// end.
    private func go(to cursor: String) throws(SystemCallError) -> Bool {
        try seek(cursor)
        return try next()
    }

    /// Positions the handle so that `next` moves to the entry with the cursor, or to the one after
    /// it.
    func seek(_ cursor: String) throws(SystemCallError) {
        try libsystemdCall("sd_journal_seek_cursor", on: cursor) {
            sd_journal_seek_cursor(journal, cursor)
        }
    }

    /// Moves to the entry with the cursor; if it is gone, the handle's position is undefined.
    ///
    /// - Returns: its cursor now; nil if the journal does not have the entry.
    func find(_ cursor: String) throws(SystemCallError) -> String? {
        guard !cursor.isEmpty else { return nil }
        do throws(SystemCallError) {
            guard try go(to: cursor) else { return nil }
        } catch let error where error.errno == .invalidArgument {
            return nil  // Not a valid cursor.
        }
        let found = try self.cursor()
        return Self.origin(of: found) == Self.origin(of: cursor) ? found : nil
    }

    /// Returns the part of a cursor that survives when journald copies the entry to another file,
    /// as it does when the journal becomes persistent. That is the boot, the times and the content,
    /// but not the file (`s=`) and the entry's number in it (`i=`).
    private static func origin(of cursor: String) -> Substring {
        guard let boot = cursor.utf8.indices.first(where: { cursor[$0...].hasPrefix(";b=") })
        else { return cursor[...] }
        return cursor[boot...]
    }

    /// Returns the position of the current entry.
    func position(order: Int64, isInclusive: Bool) throws(SystemCallError) -> JournalPosition {
        let (monotonic, bootID) = try monotonic()
        return JournalPosition(
            cursor: try cursor(), time: try time(), bootID: bootID, monotonic: monotonic,
            order: order, isInclusive: isInclusive)
    }

    /// Positions the handle so that `next` moves to the first entry to read from the position.
    ///
    /// - Returns: false if the position's entry is gone; reading then begins by time.
    func stand(before position: JournalPosition) throws(SystemCallError) -> Bool {
        if try find(position.cursor) != nil {
            // Go back before the entry if it is still to be read.
            if position.isInclusive { try seek(position.cursor) }
            return true
        }
        var boot = sd_id128_t()
        if sd_id128_from_string(position.bootID, &boot) == 0 {
            // If nothing of that boot is left, all entries are later, and reading begins with the
            // first.
            try libsystemdCall("sd_journal_seek_monotonic_usec") {
                sd_journal_seek_monotonic_usec(journal, boot, UInt64(max(position.monotonic, 0)))
            }
        } else {
            // A time in the future is useless, so read from the very beginning: the core skips
            // entries that are too old.
            let isAhead = position.time > Clock.realtimeNanoseconds / 1_000
            let time = isAhead ? 0 : max(position.time, 0)
            try libsystemdCall("sd_journal_seek_realtime_usec") {
                sd_journal_seek_realtime_usec(journal, UInt64(time))
            }
        }
        return position.cursor.isEmpty
    }

    // MARK: The current entry

    /// Returns the entry's cursor (sd_journal_get_cursor(3)).
    func cursor() throws(SystemCallError) -> String {
        var text: UnsafeMutablePointer<CChar>?
        try libsystemdCall("sd_journal_get_cursor") { sd_journal_get_cursor(journal, &text) }
        defer { free(text) }
        return text.map { String(cString: $0) } ?? ""
    }

    /// Returns when journald received it, in microseconds since 1970
    /// (sd_journal_get_realtime_usec(3)).
    func time() throws(SystemCallError) -> Int64 {
        var time: UInt64 = 0
        try libsystemdCall("sd_journal_get_realtime_usec") {
            sd_journal_get_realtime_usec(journal, &time)
        }
        return Int64(clamping: time)
    }

    /// Returns the time in microseconds since the boot, and the boot
    /// (sd_journal_get_monotonic_usec(3)).
    func monotonic() throws(SystemCallError) -> (time: Int64, bootID: String) {
        var time: UInt64 = 0
        var boot = sd_id128_t()
        try libsystemdCall("sd_journal_get_monotonic_usec") {
            sd_journal_get_monotonic_usec(journal, &time, &boot)
        }
        return (Int64(clamping: time), Self.hexadecimal(boot))
    }

    /// Returns `FIELD=value`; nil if the entry has no such field (sd_journal_get_data(3)).
    func data(_ field: UnsafePointer<CChar>) -> UnsafeRawBufferPointer? {
        var data: UnsafeRawPointer?
        var size = 0
        // An unreadable field counts as missing: a damaged file may hold part of an entry.
        guard sd_journal_get_data(journal, field, &data, &size) >= 0 else { return nil }
        return UnsafeRawBufferPointer(start: data, count: size)
    }

    /// Returns up to 4 MiB of `FIELD=value`, where `data` and `fields` give only its beginning.
    func wholeData(_ field: UnsafePointer<CChar>) -> UnsafeRawBufferPointer? {
        sd_journal_set_data_threshold(journal, 4 << 20)
        defer { sd_journal_set_data_threshold(journal, Self.threshold) }
        return data(field)
    }

    /// Enough to notice that a value is too long.
    private static let threshold = JournalFields.valueMax + nameMax

    /// Where `skip` has stopped.
    enum Stop {
        /// At an entry that has one of the values.
        case found
        case end
        /// The share is used up.
        case between
    }

    /// How many data are compared between two readings of the clock.
    private static let dataPerLook: CInt = 512

    /// Moves to the next entry that has one of the values, at most `max` entries further.
    ///
    /// - Returns: how many entries were passed.
    func skip(
        to values: JournalValueTable, max: Int
    ) throws(SystemCallError) -> (passed: Int, Stop) {
        sd_journal_set_data_threshold(journal, values.valueMax + Self.nameMax)
        defer { sd_journal_set_data_threshold(journal, Self.threshold) }
        var passed: CInt = 0
        let result = try libsystemdCall("sd_journal_next") {
            values.withTable {
                crd_journal_skip(journal, $0, CInt(max), Self.dataPerLook, &passed)
            }
        }
        return (Int(passed), result == 0 ? .end : result == 1 ? .found : .between)
    }

    /// Room for a field's name before its value.
    private static let nameMax = 128

    /// Calls `body` with the field's index and the value, for every value of these fields: an entry
    /// may have a field several times.
    func visit(
        _ names: JournalFieldNames, _ body: (Int, UnsafeRawBufferPointer) -> Void
    ) {
        // Of a compressed value, unpack only what the comparison needs.
        sd_journal_set_data_threshold(journal, names.valueMax + Self.nameMax)
        defer { sd_journal_set_data_threshold(journal, Self.threshold) }
        sd_journal_restart_data(journal)
        var value: UnsafeRawPointer?
        var size = 0
        var visited: CInt = 0
        while true {
            let number = crd_journal_next_value(
                journal, names.table, CInt(names.table.count), &value, &size, &visited)
            guard number >= 0 else { return }
            body(Int(number), UnsafeRawBufferPointer(start: value, count: size))
        }
    }

    /// Returns whether the entry has one of these values in a field that may occur several times.
    func has(_ field: String, _ values: [[UInt8]]) -> Bool {
        let prefix = Array("\(field)=".utf8)
        var data: UnsafeRawPointer?
        var size = 0
        sd_journal_restart_data(journal)
        while sd_journal_enumerate_available_data(journal, &data, &size) > 0 {
            let datum = UnsafeRawBufferPointer(start: data, count: size)
            guard datum.starts(with: prefix) else { continue }
            if values.contains(where: { datum.dropFirst(prefix.count).elementsEqual($0) }) {
                return true
            }
        }
        return false
    }

    /// Returns all fields of the entry (sd_journal_enumerate_available_data(3)).
    func fields() -> JournalFields {
        var fields = JournalFields()
        var data: UnsafeRawPointer?
        var size = 0
        var isFull = false
        defer { if isFull { sd_journal_set_data_threshold(journal, Self.threshold) } }
        sd_journal_restart_data(journal)
        while sd_journal_enumerate_available_data(journal, &data, &size) > 0 {
            let datum = UnsafeRawBufferPointer(start: data, count: size)
            if isFull, let name = fields.nameIfWhole(datum) {
                fields.append(whole(name) ?? datum)
            } else {
                fields.append(datum)
            }
            guard !isFull, fields.isFull else { continue }
            // A thousand compressed fields of 64 KiB take long to unpack.
            isFull = true
            sd_journal_set_data_threshold(journal, Self.fullThreshold)
        }
        return fields
    }

    /// Enough to tell a small value from a large one.
    private static let fullThreshold = JournalFields.smallMax + nameMax + 1

    /// Returns the datum of a field, however long it is (sd_journal_get_data(3)).
    private func whole(_ name: String) -> UnsafeRawBufferPointer? {
        sd_journal_set_data_threshold(journal, Self.threshold)
        defer { sd_journal_set_data_threshold(journal, Self.fullThreshold) }
        var data: UnsafeRawPointer?
        var size = 0
        guard sd_journal_get_data(journal, name, &data, &size) >= 0 else { return nil }
        return UnsafeRawBufferPointer(start: data, count: size)
    }

    /// Returns the ID of the current boot (sd_id128_get_boot(3)).
    static func currentBootID() -> String {
        var boot = sd_id128_t()
        return sd_id128_get_boot(&boot) == 0 ? hexadecimal(boot) : ""
    }

    private static func hexadecimal(_ id: sd_id128_t) -> String {
        withUnsafeBytes(of: id) { bytes in
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }

    // MARK: Skipping entries

    /// Makes `next` stop at every entry again (sd_journal_flush_matches(3)). The position is lost.
    func stopEverywhere() {
        sd_journal_flush_matches(journal)
    }

    /// Makes `next` stop only at entries that have, for one of the triggers, a wanted value of each
    /// of its fields (sd_journal_add_match(3)).
    func stop(onlyAt triggers: [[JournalTrigger.Match]]) throws(SystemCallError) {
        for (index, matches) in triggers.enumerated() {
            if index > 0 {
                try libsystemdCall("sd_journal_add_disjunction") {
                    sd_journal_add_disjunction(journal)
                }
            }
            for match in matches {
                for value in match.values {
                    let term = Array("\(match.field)=\(value)".utf8)
                    try libsystemdCall("sd_journal_add_match", on: match.field) {
                        sd_journal_add_match(journal, term, term.count)
                    }
                }
            }
        }
    }
}
