// SPDX-License-Identifier: GPL-3.0-or-later

import CSystemd

/// The values that an index looks for, in the form that the C loop over unwanted entries reads.
final class JournalValueTable {
    private let names: JournalFieldNames
    private var slots: [crd_journal_slot]
    private let isSingle: Bool

    /// - Parameters:
    ///   - values: by field; their bytes must not move.
    ///   - isSingle: there is one field, which an entry has once.
    init(_ names: JournalFieldNames, _ values: [[JournalValue]], isSingle: Bool) {
        self.names = names
        self.isSingle = isSingle
        // At most half of the slots are used, so that a search soon reaches a free one.
        let count = max(2, values.joined().count)
        let size = 1 << (Int.bitWidth - (2 * count - 1).leadingZeroBitCount)
        slots = Array(
            repeating: crd_journal_slot(hash: 0, bytes: nil, size: 0, field: 0), count: size)
        for (field, values) in values.enumerated() {
            for value in values { add(value.bytes, of: CInt(field)) }
        }
    }

    private func add(_ value: UnsafeRawBufferPointer, of field: CInt) {
        guard let bytes = value.baseAddress else { preconditionFailure("a value has an address") }
        let hash = crd_journal_hash(bytes, value.count, field)
        var place = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[place].bytes != nil { place = (place + 1) & (slots.count - 1) }
        slots[place] = crd_journal_slot(
            hash: hash, bytes: bytes, size: value.count, field: field)
    }

    /// Calls `body` with the table, which is valid until it returns.
    func withTable<Result>(_ body: (UnsafePointer<crd_journal_table>) -> Result) -> Result {
        names.table.withUnsafeBufferPointer { names in
            slots.withUnsafeBufferPointer { slots in
                guard let name = names.baseAddress, let slot = slots.baseAddress else {
                    preconditionFailure("a table has a name and a slot")
                }
                var table = crd_journal_table(
                    names: name, name_count: CInt(names.count), is_single: isSingle, slots: slot,
                    mask: slots.count - 1, size_max: self.names.valueMax)
                return body(&table)
            }
        }
    }

    var valueMax: Int { names.valueMax }
}
