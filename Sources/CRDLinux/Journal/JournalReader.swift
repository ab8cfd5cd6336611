// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CSystemd
import Glibc
import SystemPackage

/// A handle on this machine's journal, sd-journal(3): it stands on an entry, or before the first.
///
/// Belongs to the thread that opened it. What `data` returns is valid until the next call.
final class JournalReader {
    private let journal: OpaquePointer
    /// Readable when files have come or gone (sd_journal_get_fd(3)).
    let descriptor: CInt

    /// sd_journal_open(3): the files of this machine alone, the volatile and the lasting ones.
    init() throws(SystemCallError) {
        var opened: OpaquePointer?
        try libsystemdCall("sd_journal_open") {
            sd_journal_open(&opened, CInt(SD_JOURNAL_LOCAL_ONLY))
        }
        guard let opened else { preconditionFailure("sd_journal_open gave no handle") }
        do throws(SystemCallError) {
            // More is not unpacked.
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

    /// Takes in which files have come or gone (sd_journal_process(3)).
    func process() throws(SystemCallError) {
        try libsystemdCall("sd_journal_process") { sd_journal_process(journal) }
    }

    // MARK: Places

    /// Steps to the next entry (sd_journal_next(3)).
    ///
    /// - Returns: false at the end.
    func next() throws(SystemCallError) -> Bool {
        try libsystemdCall("sd_journal_next") { sd_journal_next(journal) } > 0
    }

    /// Steps to the last entry; false where there is none.
    func goToEnd() throws(SystemCallError) -> Bool {
        try libsystemdCall("sd_journal_seek_tail") { sd_journal_seek_tail(journal) }
        return try libsystemdCall("sd_journal_previous") { sd_journal_previous(journal) } > 0
    }

    /// Steps to the entry of that cursor, or to the one that takes its place; false where there is
    /// none behind it.
    private func go(to cursor: String) throws(SystemCallError) -> Bool {
        try seek(cursor)
        return try next()
    }

    /// Stands so that `next` steps to the entry of that cursor, or to the one that takes its place.
    func seek(_ cursor: String) throws(SystemCallError) {
        try libsystemdCall("sd_journal_seek_cursor", on: cursor) {
            sd_journal_seek_cursor(journal, cursor)
        }
    }

    /// Steps to the entry of that cursor; what the handle stands on if there is none is open.
    ///
    /// - Returns: its cursor now; nil where the journal does not have it.
    func find(_ cursor: String) throws(SystemCallError) -> String? {
        guard !cursor.isEmpty else { return nil }
        do throws(SystemCallError) {
            guard try go(to: cursor) else { return nil }
        } catch let error where error.errno == .invalidArgument {
            return nil  // It never was one.
        }
        let found = try self.cursor()
        return Self.origin(of: found) == Self.origin(of: cursor) ? found : nil
    }

    /// What stays of a cursor when journald copies its entry to another file, as it does when the
    /// journal becomes a lasting one: the boot, the times and the content, but not which file it is
    /// in (`s=`) and as which of its entries (`i=`).
    private static func origin(of cursor: String) -> Substring {
        guard let boot = cursor.utf8.indices.first(where: { cursor[$0...].hasPrefix(";b=") })
        else { return cursor[...] }
        return cursor[boot...]
    }

    /// A position at the entry at hand.
    func position(order: Int64, isInclusive: Bool) throws(SystemCallError) -> JournalPosition {
        let (monotonic, bootID) = try monotonic()
        return JournalPosition(
            cursor: try cursor(), time: try time(), bootID: bootID, monotonic: monotonic,
            order: order, isInclusive: isInclusive)
    }

    /// Stands so that `next` steps to the first entry that is to be read from a position on.
    ///
    /// - Returns: false where the position's entry is not there any more; then it goes by time.
    func stand(before position: JournalPosition) throws(SystemCallError) -> Bool {
        if try find(position.cursor) != nil {
            // Back from it, if it is still to be read.
            if position.isInclusive { try seek(position.cursor) }
            return true
        }
        var boot = sd_id128_t()
        if sd_id128_from_string(position.bootID, &boot) == 0 {
            // If nothing of that boot is left, all that there is came later: this begins with it.
            try libsystemdCall("sd_journal_seek_monotonic_usec") {
                sd_journal_seek_monotonic_usec(journal, boot, UInt64(max(position.monotonic, 0)))
            }
        } else {
            // What lies ahead of the clock tells nothing, so from the very beginning then: what is
            // too old the core passes over.
            let isAhead = position.time > Clock.realtimeNanoseconds / 1_000
            let time = isAhead ? 0 : max(position.time, 0)
            try libsystemdCall("sd_journal_seek_realtime_usec") {
                sd_journal_seek_realtime_usec(journal, UInt64(time))
            }
        }
        return position.cursor.isEmpty
    }

    // MARK: The entry at hand

    /// sd_journal_get_cursor(3).
    func cursor() throws(SystemCallError) -> String {
        var text: UnsafeMutablePointer<CChar>?
        try libsystemdCall("sd_journal_get_cursor") { sd_journal_get_cursor(journal, &text) }
        defer { free(text) }
        return text.map { String(cString: $0) } ?? ""
    }

    /// When journald received it, in microseconds since 1970 (sd_journal_get_realtime_usec(3)).
    func time() throws(SystemCallError) -> Int64 {
        var time: UInt64 = 0
        try libsystemdCall("sd_journal_get_realtime_usec") {
            sd_journal_get_realtime_usec(journal, &time)
        }
        return Int64(clamping: time)
    }

    /// In microseconds since the boot, and which boot (sd_journal_get_monotonic_usec(3)).
    func monotonic() throws(SystemCallError) -> (time: Int64, bootID: String) {
        var time: UInt64 = 0
        var boot = sd_id128_t()
        try libsystemdCall("sd_journal_get_monotonic_usec") {
            sd_journal_get_monotonic_usec(journal, &time, &boot)
        }
        return (Int64(clamping: time), Self.hexadecimal(boot))
    }

    /// `FIELD=value`; nil where the entry has no such field (sd_journal_get_data(3)).
    func data(_ field: UnsafePointer<CChar>) -> UnsafeRawBufferPointer? {
        var data: UnsafeRawPointer?
        var size = 0
        // What cannot be read is not there: the entry may be cut short in a damaged file.
        guard sd_journal_get_data(journal, field, &data, &size) >= 0 else { return nil }
        return UnsafeRawBufferPointer(start: data, count: size)
    }

    /// The same, where `data` and `fields` have only its beginning: up to 4 MiB.
    func wholeData(_ field: UnsafePointer<CChar>) -> UnsafeRawBufferPointer? {
        sd_journal_set_data_threshold(journal, 4 << 20)
        defer { sd_journal_set_data_threshold(journal, Self.threshold) }
        return data(field)
    }

    /// Enough to see that a value is too long.
    private static let threshold = JournalFields.valueMax + 128

    /// Steps to the next entry that has one of the values, or by as many entries as it may.
    ///
    /// - Returns: how many entries were stepped to, and whether the last of them has a value. Fewer
    ///   than `max`, and no value, is the end.
    func skip(
        to values: JournalValueTable, max: Int
    ) throws(SystemCallError) -> (passed: Int, isFound: Bool) {
        sd_journal_set_data_threshold(journal, values.valueMax + Self.nameMax)
        defer { sd_journal_set_data_threshold(journal, Self.threshold) }
        var passed: CInt = 0
        let isFound = try libsystemdCall("sd_journal_next") {
            values.withTable { crd_journal_skip(journal, $0, CInt(max), &passed) }
        }
        return (Int(passed), isFound > 0)
    }

    /// Room for a field's name beside its value.
    private static let nameMax = 128

    /// Calls `body` with the number of the field and the value, for each value of each of these
    /// fields: an entry may have a field several times.
    func visit(
        _ names: JournalFieldNames, _ body: (Int, UnsafeRawBufferPointer) -> Void
    ) {
        // Of what is packed no more is unpacked than tells it from what is looked for.
        sd_journal_set_data_threshold(journal, names.valueMax + Self.nameMax)
        defer { sd_journal_set_data_threshold(journal, Self.threshold) }
        sd_journal_restart_data(journal)
        var value: UnsafeRawPointer?
        var size = 0
        while true {
            let number = crd_journal_next_value(
                journal, names.table, CInt(names.table.count), &value, &size)
            guard number >= 0 else { return }
            body(Int(number), UnsafeRawBufferPointer(start: value, count: size))
        }
    }

    /// Whether the entry has one of these values in a field, which it may have several times.
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

    /// All of them (sd_journal_enumerate_available_data(3)).
    func fields() -> JournalFields {
        var fields = JournalFields()
        var data: UnsafeRawPointer?
        var size = 0
        sd_journal_restart_data(journal)
        while sd_journal_enumerate_available_data(journal, &data, &size) > 0 {
            fields.append(UnsafeRawBufferPointer(start: data, count: size))
        }
        return fields
    }

    /// The boot that this is (sd_id128_get_boot(3)).
    static func currentBootID() -> String {
        var boot = sd_id128_t()
        return sd_id128_get_boot(&boot) == 0 ? hexadecimal(boot) : ""
    }

    private static func hexadecimal(_ id: sd_id128_t) -> String {
        withUnsafeBytes(of: id) { bytes in
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }

    // MARK: What to step over

    /// `next` stops at every entry again (sd_journal_flush_matches(3)). The place is lost.
    func stopEverywhere() {
        sd_journal_flush_matches(journal)
    }

    /// From now on `next` stops only at entries that have, for one of the triggers, a value of each
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
