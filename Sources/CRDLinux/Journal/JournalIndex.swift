// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Finds the triggers that an entry may concern by the values of its fields, so that an entry costs
/// the same however many triggers ask for other values.
///
/// A trigger that names units is found through them. Every other that has matches is found through
/// one of its fields, its anchor; those without are always found.
final class JournalIndex {
    private struct Field {
        /// Those whose anchor it is, by the values that they look out for.
        var triggers: [JournalValue: [Int]] = [:]
        var role: JournalUnitIndex.Role?
    }

    private let names = JournalFieldNames()
    private var fields: [Field] = []
    private var numbers: [String: Int] = [:]
    /// The only field, where that is one of journald's own, of which an entry has one value.
    private let only: JournalFieldKey?
    private let units = JournalUnitIndex()
    /// Those that no field's value leads to.
    private var always: [Int] = []
    /// What the keys of the tables point at.
    private let values = JournalValue.Store()
    /// All values that lead to a trigger; nil where other entries may be somebody's, too.
    private(set) var wanted: JournalValueTable?

    /// Fields that many entries have the same value of; what finds few entries is asked first.
    private static let common = [
        "PRIORITY", "_TRANSPORT", "_BOOT_ID", "_MACHINE_ID", "_HOSTNAME", "_UID", "_GID",
        "SYSLOG_FACILITY", "_SYSTEMD_SLICE", "_RUNTIME_SCOPE", "_SELINUX_CONTEXT",
        "_CAP_EFFECTIVE",
    ]

    /// - Parameter triggers: a trigger's number is its place in this list.
    init(_ triggers: [JournalTrigger]) {
        // Fewer fields to fetch: where there is a choice, the field that others use too.
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
        // Whatever tells a unit's name from what is none.
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

    /// Appends the numbers of the triggers that may concern the entry at hand, each once. Of those
    /// that name units, the entry is about one of them.
    func find(in reader: JournalReader, _ found: inout [Int]) {
        if let only {
            if let value = only.value(in: reader) { take(value, of: 0, &found) }
        } else if !fields.isEmpty {
            units.begin()
            reader.visit(names) { take($1, of: $0, &found) }
            units.finish(&found)
            if found.count > 1 { Self.removeRepetitions(in: &found) }
        }
        found.append(contentsOf: always)
    }

    private func take(_ value: UnsafeRawBufferPointer, of field: Int, _ found: inout [Int]) {
        if let numbers = fields[field].triggers[JournalValue(bytes: value)] {
            found.append(contentsOf: numbers)
        }
        if let role = fields[field].role { units.take(value, as: role, &found) }
    }

    /// An entry may have several values that a trigger looks out for, and be about a unit in several
    /// ways.
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
