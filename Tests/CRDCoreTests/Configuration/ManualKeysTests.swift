// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import CRDCore

/// The keys that the manual pages explain are those that the decoders know.
@Suite("The keys in the manual")
struct ManualKeysTests {
    private static let manual = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "man")

    // MARK: What a decoder knows

    /// A table on the path to the keys in question: `[name]` or `[[name]]`.
    private struct Step {
        var name: String
        var isRepeated: Bool
    }

    /// So unlike any key that the complaint about it lists the known ones instead.
    private static let stranger = "nothing-that-anybody-would-call-a-key"

    /// The dotted paths of all keys of a file, without the tables: given an unknown key, a decoder
    /// lists the known ones; each that takes a table is then asked in turn.
    private func keys(
        below steps: [Step] = [], of decode: (TOMLTable) -> [Diagnostic]
    ) -> [String]? {
        let path = steps.map { "\($0.name)." }.joined()
        let begin = "unknown key '\(path)\(Self.stranger)'; known here: "
        let told = decode(Self.table(steps)).map(\.message).first { $0.hasPrefix(begin) }
        guard let told else { return nil }
        return told.dropFirst(begin.count).split(separator: ", ").flatMap { name in
            for isRepeated in [false, true] {
                let step = Step(name: String(name), isRepeated: isRepeated)
                if let inner = keys(below: steps + [step], of: decode) { return inner }
            }
            return ["\(path)\(name)"]
        }
    }

    /// Nested tables, with the stranger in the innermost.
    private static func table(_ steps: [Step]) -> TOMLTable {
        let innermost: (String, TOMLValue.Content) = (stranger, .boolean(true))
        let outermost = steps.reversed().reduce(innermost) { inner, step in
            let table = TOMLValue.Content.table(TOMLDecoderTests.table([inner]))
            return (step.name, step.isRepeated ? .array([TOMLValue(table, at: .start)]) : table)
        }
        return TOMLDecoderTests.table([outermost])
    }

    // MARK: What a page explains

    /// The dotted paths of the keys that have an entry of their own in a section. A subsection
    /// covers the tables that its heading has in brackets.
    private func entries(of page: String, section: String) throws -> [String] {
        let text = try String(contentsOf: Self.manual.appending(path: page), encoding: .utf8)
        var entries: [String] = []
        var isInside = false
        var tables = [""]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            switch words[0] {
            case ".Sh": (isInside, tables) = (line == ".Sh \(section)", [""])
            case ".Ss":
                tables = line.matches(of: #/\[+([a-z.]+)\]+/#).map { "\($0.output.1)." }
            case ".It" where isInside && words[1] == "Ic": entries += tables.map { $0 + words[2] }
            default: break
            }
        }
        return entries
    }

    @Test("crd.conf(5) has an entry for each, and for no other")
    func configuration() throws {
        let known = try #require(keys { Configuration.decode($0, file: "f").1 })
        #expect(known.contains("journal-wake"))
        try expect(entries(of: "crd.conf.5", section: "KEYS"), toBe: known)
    }

    @Test("crd-module(7) has an entry for each, and for no other")
    func manifest() throws {
        let known = try #require(
            keys {
                Manifest.decode(
                    $0, file: "f", compile: { _ in PatternOutline(captures: [], size: 0) }
                ).1
            })
        #expect(known.contains("check.timeout") && known.contains("trigger.journal.by"))
        try expect(entries(of: "crd-module.7", section: "MODULE.TOML"), toBe: known)
    }

    @Test("the sample crd.conf shows each, commented")
    func sample() throws {
        let known = try #require(keys { Configuration.decode($0, file: "f").1 })
        let file = Self.manual.deletingLastPathComponent().appending(path: "examples/crd.conf")
        let text = try String(contentsOf: file, encoding: .utf8)
        let shown = text.matches(of: #/(?m)^#([a-z-]+) = /#).map { String($0.output.1) }
        expect(shown, toBe: known)
    }

    private func expect(
        _ shown: [String], toBe known: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(
            shown.sorted() == known.sorted(),
            "not in both: \(Set(shown).symmetricDifference(known).sorted())",
            sourceLocation: sourceLocation)
    }
}
