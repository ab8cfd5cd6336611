// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc

/// The triggers that name a unit, by its name or by a glob.
///
/// Globs are matched once for each name, so that their number does not add to the cost of an entry.
final class JournalUnitTable {
    private struct Pattern {
        let text: String
        let hasSuffix: Bool
        let number: Int
    }

    /// systemd's UNIT_NAME_MAX: a longer text is not a unit's name.
    static let nameMax = 255
    /// How many numbers may be cached for the names seen; beyond that the cache is emptied.
    private static let rememberedMax = 1 << 16

    private var names: [JournalValue: [Int]] = [:]
    private let values = JournalValue.Store()
    private var globs: [Pattern] = []
    private var remembered: [[UInt8]: [Int]] = [:]
    private var rememberedSize = 0

    var isEmpty: Bool { names.isEmpty && globs.isEmpty }

    func add(_ pattern: UnitPattern, _ number: Int) {
        if pattern.isGlob {
            globs.append(
                Pattern(text: pattern.text, hasSuffix: pattern.hasSuffix, number: number))
        } else {
            names[JournalValue(bytes: values.store(pattern.text)), default: []].append(number)
        }
    }

    /// Appends the numbers of the triggers that name this unit; a number may be appended several
    /// times.
    func find(_ name: UnsafeRawBufferPointer, _ found: inout [Int]) {
        guard name.count <= Self.nameMax else { return }
        if let numbers = names[JournalValue(bytes: name)] { found.append(contentsOf: numbers) }
        guard !globs.isEmpty else { return }
        let name = Array(name)
        if let numbers = remembered[name] {
            found.append(contentsOf: numbers)
            return
        }
        let numbers = numbers(of: String(decoding: name, as: UTF8.self))
        if rememberedSize > Self.rememberedMax {
            remembered.removeAll()
            rememberedSize = 0
        }
        // An empty list takes room too.
        rememberedSize += numbers.count + 16
        remembered[name] = numbers
        found.append(contentsOf: numbers)
    }

    private func numbers(of name: String) -> [Int] {
        let suffix = ".service"
        let stem = name.hasSuffix(suffix) ? String(name.dropLast(suffix.count)) : nil
        return globs.filter { glob in
            // As in journalctl, a backslash stands for itself, as in the name of a mount unit.
            if fnmatch(glob.text, name, Self.noEscape) == 0 { return true }
            guard !glob.hasSuffix, let stem else { return false }
            return fnmatch(glob.text, stem, Self.noEscape) == 0
        }.map(\.number)
    }

    private static let noEscape = CInt(FNM_NOESCAPE)
}
