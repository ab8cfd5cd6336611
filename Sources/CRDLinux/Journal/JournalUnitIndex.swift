// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Finds the triggers that name the unit which an entry is about, as `journalctl --unit` does: what
/// the unit logs, what systemd and root's services say of it, and its coredumps.
final class JournalUnitIndex {
    /// What a field tells.
    enum Role {
        case unit, slice
        /// Whose the entry is: who is believed what it says of a unit.
        case process, user
        case kind
        /// What systemd, a service of root's, and systemd-coredump say of which unit it is about.
        case systems, object, coredump
    }

    private let units = JournalUnitTable()
    /// Of a slice, what is logged by all that is in it.
    private let slices = JournalUnitTable()

    // Of the entry at hand.
    private var isSystems = false
    private var isRoots = false
    private var isCoredump = false
    private var claims: [(role: Role, name: [UInt8])] = []

    /// The fields that are asked for.
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

    /// A value of the entry; appends the numbers of the triggers that it leads to.
    func take(_ value: UnsafeRawBufferPointer, as role: Role, _ found: inout [Int]) {
        switch role {
        case .unit: units.find(value, &found)
        case .slice: slices.find(value, &found)
        case .process: isSystems = value.elementsEqual("1".utf8)
        case .user: isRoots = value.elementsEqual("0".utf8)
        case .kind: isCoredump = isCoredump || value.elementsEqual(JournalEntry.coredumpID.utf8)
        case .systems, .object, .coredump:
            // Whoever may not say so costs nothing: that is asked when all is known.
            guard value.count <= JournalUnitTable.nameMax, claims.count < Self.claimsMax else {
                return
            }
            claims.append((role, Array(value)))
        }
    }

    /// systemd writes one; who writes more than that tells of nothing.
    private static let claimsMax = 16

    /// All values have been taken; appends the numbers of the triggers that claims lead to.
    func finish(_ found: inout [Int]) {
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
