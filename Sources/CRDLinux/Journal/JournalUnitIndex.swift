// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Finds the triggers that name the unit of an entry, as `journalctl --unit` does: the unit's own
/// entries, messages of systemd and of root's services about it, and its coredumps.
final class JournalUnitIndex {
    /// The meaning of a field.
    enum Role {
        case unit, slice
        /// The sender, which decides whether its statement about a unit is believed.
        case process, user
        case kind
        /// The unit according to systemd, to a service of root, and to systemd-coredump.
        case systems, object, coredump
    }

    private let units = JournalUnitTable()
    /// For a slice: the entries of everything in it.
    private let slices = JournalUnitTable()

    // State of the current entry.
    private var isSystems = false
    private var isRoots = false
    private var isCoredump = false
    private var claims: [(role: Role, name: [UInt8])] = []

    /// The fields to fetch.
    var roles: KeyValuePairs<String, Role> {
        if units.isEmpty { return [:] }
        return [
            "_SYSTEMD_UNIT": .unit, "_SYSTEMD_SLICE": .slice, "_PID": .process, "_UID": .user,
            "MESSAGE_ID": .kind, "UNIT": .systems, "OBJECT_SYSTEMD_UNIT": .object,
            "COREDUMP_UNIT": .coredump,
        ]
    }

    func add(_ patterns: [UnitPattern], _ number: Int) {
        for pattern in patterns {
            units.add(pattern, number)
            if pattern.isSlice { slices.add(pattern, number) }
        }
    }

    func begin() {
        (isSystems, isRoots, isCoredump) = (false, false, false)
        claims.removeAll(keepingCapacity: true)
    }

    /// Handles a value of the entry; appends the numbers of the triggers that it leads to.
    func find(_ value: UnsafeRawBufferPointer, as role: Role, _ found: inout [Int]) {
        switch role {
        case .unit: units.find(value, &found)
        case .slice: slices.find(value, &found)
        case .process: isSystems = value.elementsEqual("1".utf8)
        case .user: isRoots = value.elementsEqual("0".utf8)
        case .kind: isCoredump = isCoredump || value.elementsEqual(JournalEntry.coredumpID.utf8)
        case .systems, .object, .coredump:
            // Keeping a forged claim costs little: `findBelieved` tests the sender, when all fields
            // are known.
            guard value.count <= JournalUnitTable.nameMax, claims.count < Self.claimsMax else {
                return
            }
            claims.append((role, Array(value)))
        }
    }

    /// systemd writes one claim an entry; the rest of a longer list is ignored.
    private static let claimsMax = 16

    /// Ends the entry: appends the numbers of the triggers that believable claims lead to.
    func findBelieved(_ found: inout [Int]) {
        for (role, name) in claims {
            let isBelieved =
                switch role {
                case .systems: isSystems
                case .object: isRoots
                case .coredump: isRoots && isCoredump
                default: false
                }
            guard isBelieved else { continue }
            name.withUnsafeBytes { units.find($0, &found) }
        }
    }
}
