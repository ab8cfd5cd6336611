// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Finds the triggers that may match an entry by the values of its fields. The cost of an entry
/// does not grow with the triggers that want other values.
///
/// A trigger that names units is found through them. Any other with matches is found through one of
/// its fields, its anchor. A trigger without matches is always found.
final class JournalIndex {
    private struct Field {
        /// The triggers that this field is the anchor of, by wanted value.
        var triggers: [JournalValue: [Int]] = [:]
        var role: JournalUnitIndex.Role?
    }

    private let names = JournalFieldNames()
    private var fields: [Field] = []
    private var numbers: [String: Int] = [:]
    /// The only field, if journald itself adds it, so that an entry has one value of it.
    private let only: JournalFieldKey?
    private let units = JournalUnitIndex()
    /// The triggers that are found for every entry.
    private var always: [Int] = []
    /// Storage for the tables' keys.
    private let values = JournalValue.Store()
    /// The values that lead to a trigger; nil if an entry without them may match too.
    private(set) var wanted: JournalValueTable?

    /// Fields with the same value in many entries: a more selective anchor is preferred.
    private static let common = [
        "PRIORITY", "_TRANSPORT", "_BOOT_ID", "_MACHINE_ID", "_HOSTNAME", "_UID", "_GID",
        "SYSLOG_FACILITY", "_SYSTEMD_SLICE", "_RUNTIME_SCOPE", "_SELINUX_CONTEXT",
        "_CAP_EFFECTIVE",
    ]

    /// - Parameter triggers: a trigger's number is its index in this list.
    init(_ triggers: [JournalTrigger]) {
        // To fetch fewer fields, prefer a field that other triggers use too.
        var uses: [String: Int] = [:]
        for field in triggers.flatMap({ $0.match.map(\.field) }) { uses[field, default: 0] += 1 }
        var anchors: [JournalTrigger.Match?] = []
        for trigger in triggers {
            anchors.append(
                trigger.units != nil
                    ? nil : trigger.match.max { Self.rank($0, uses) < Self.rank($1, uses) })
        }
        let asked = Set(anchors.compactMap { $0?.field }).map { JournalFieldKey($0) }
        let isOne = asked.count == 1 && !asked[0].mayRepeat
        only = isOne && triggers.allSatisfy { $0.units == nil } ? asked[0] : nil
        for (number, (trigger, anchor)) in zip(triggers, anchors).enumerated() {
            if let patterns = trigger.units {
                units.add(patterns, number)
            } else if let anchor {
                add(number, anchor)
            } else {
                always.append(number)
            }
        }
        for (name, role) in units.roles { fields[field(name)].role = role }
        if always.isEmpty, units.roles.isEmpty, !fields.isEmpty {
            wanted = JournalValueTable(
                names, fields.map { Array($0.triggers.keys) }, isSingle: only != nil)
        }
    }

    private static func rank(_ match: JournalTrigger.Match, _ uses: [String: Int]) -> (Int, Int) {
        (common.contains(match.field) ? 0 : 1, uses[match.field] ?? 0)
    }

    private func field(_ name: String) -> Int {
        if let known = numbers[name] { return known }
        let number = names.add(name)
        numbers[name] = number
        fields.append(Field())
        // Long enough to distinguish a unit's name from a longer text.
        names.expect(valueOf: JournalUnitTable.nameMax + 1)
        return number
    }

    private func add(_ number: Int, _ match: JournalTrigger.Match) {
        let field = field(match.field)
        for value in match.values {
            names.expect(valueOf: value.utf8.count + 1)
            let key = JournalValue(bytes: values.store(value))
            fields[field].triggers[key, default: []].append(number)
        }
    }

    /// Appends the numbers of the triggers that may match the current entry, each once. A trigger
    /// that names units is appended only if the entry is about one of them.
    func find(in reader: JournalReader, _ found: inout [Int]) {
        if let only {
            if let value = only.value(in: reader) { find(value, of: 0, &found) }
        } else if !fields.isEmpty {
            units.begin()
            reader.visit(names) { find($1, of: $0, &found) }
            units.findBelieved(&found)
            if found.count > 1 { Self.removeRepetitions(in: &found) }
        }
        found.append(contentsOf: always)
    }

    private func find(_ value: UnsafeRawBufferPointer, of field: Int, _ found: inout [Int]) {
        if let numbers = fields[field].triggers[JournalValue(bytes: value)] {
            found.append(contentsOf: numbers)
        }
        if let role = fields[field].role { units.find(value, as: role, &found) }
    }

    /// Removes duplicates: an entry may have several wanted values of one trigger, and be about a
    /// unit in several ways.
    private static func removeRepetitions(in found: inout [Int]) {
        found.sort()
        var end = 1
        for index in 1..<found.count where found[index] != found[end - 1] {
            found[end] = found[index]
            end += 1
        }
        found.removeSubrange(end...)
    }
}
