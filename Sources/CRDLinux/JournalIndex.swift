// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Finds the triggers that an entry may concern by the values of its fields, so that an entry costs
/// the same however many triggers ask for other values.
///
/// Every trigger that has matches is found through one of its fields, its anchor; those without
/// are always found.
struct JournalIndex {
    /// A value, seen where it lies.
    private struct Value: Hashable {
        let bytes: UnsafeRawBufferPointer

        static func == (left: Value, right: Value) -> Bool {
            left.bytes.count == right.bytes.count && left.bytes.elementsEqual(right.bytes)
        }

        func hash(into hasher: inout Hasher) { hasher.combine(bytes: bytes) }
    }

    private struct Anchor {
        let field: FieldName
        var triggers: [Value: [Int]] = [:]
    }

    private var anchors: [Anchor] = []
    /// Those that no field's value leads to.
    private var always: [Int] = []
    /// What the keys of the tables point at.
    private let values = ValueStore()

    /// Fields that many entries have the same value of; what finds few entries is asked first.
    private static let common = [
        "PRIORITY", "_TRANSPORT", "_BOOT_ID", "_MACHINE_ID", "_HOSTNAME", "_UID", "_GID",
        "SYSLOG_FACILITY", "_SYSTEMD_SLICE", "_RUNTIME_SCOPE", "_SELINUX_CONTEXT",
        "_CAP_EFFECTIVE",
    ]

    /// - Parameter triggers: a trigger's number is its place in this list.
    init(_ triggers: [[JournalTrigger.Match]]) {
        // Fewer fields to fetch: where there is a choice, the field that others use too.
        var uses: [String: Int] = [:]
        for field in triggers.joined().map(\.field) { uses[field, default: 0] += 1 }
        for (number, matches) in triggers.enumerated() {
            let anchor = matches.max { Self.rank($0, uses) < Self.rank($1, uses) }
            guard let anchor else {
                always.append(number)
                continue
            }
            add(number, anchor)
        }
    }

    private static func rank(_ match: JournalTrigger.Match, _ uses: [String: Int]) -> (Int, Int) {
        (common.contains(match.field) ? 0 : 1, uses[match.field] ?? 0)
    }

    private mutating func add(_ number: Int, _ match: JournalTrigger.Match) {
        let index: Int
        if let known = anchors.firstIndex(where: { $0.field.text == match.field }) {
            index = known
        } else {
            index = anchors.count
            anchors.append(Anchor(field: FieldName(match.field)))
        }
        for value in match.values {
            anchors[index].triggers[Value(bytes: values.store(value)), default: []].append(number)
        }
    }

    /// Appends the numbers of the triggers that may concern the entry at hand.
    func find(in reader: JournalReader, _ found: inout [Int]) {
        for anchor in anchors {
            guard let value = anchor.field.value(in: reader),
                let numbers = anchor.triggers[Value(bytes: value)]
            else { continue }
            found.append(contentsOf: numbers)
        }
        found.append(contentsOf: always)
    }
}

/// Memory for values that stays where it is.
private final class ValueStore {
    private var stored: [UnsafeMutableRawBufferPointer] = []

    func store(_ value: String) -> UnsafeRawBufferPointer {
        let copy = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(value.utf8.count, 1), alignment: 1)
        copy.copyBytes(from: value.utf8)
        stored.append(copy)
        return UnsafeRawBufferPointer(rebasing: copy[..<value.utf8.count])
    }

    deinit { for copy in stored { copy.deallocate() } }
}
