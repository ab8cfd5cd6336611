// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// The house rules that a machine can check.
@Suite("Tidy")
struct TidyTests {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    struct Source: Sendable, CustomTestStringConvertible {
        let path: String
        let text: String

        var testDescription: String { path }
        var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    }

    private static func sources(below folder: String, _ endings: Set<String>) -> [Source] {
        let base = root.appending(path: folder)
        let paths = FileManager.default.enumerator(atPath: base.path)?.compactMap { $0 as? String }
        return (paths ?? []).sorted().compactMap { path in
            guard endings.contains(URL(filePath: path).pathExtension),
                let text = try? String(contentsOf: base.appending(path: path), encoding: .utf8)
            else { return nil }
            return Source(path: "\(folder)/\(path)", text: text)
        }
    }

    private static let everything =
        sources(below: "Sources", ["swift", "c", "cpp", "h", "modulemap"])
        + sources(below: "Tests", ["swift", "c", "sh"])
    private static let product = sources(below: "Sources", ["swift"])

    @Test("every file says under which licence it is", arguments: everything)
    func licence(_ source: Source) {
        #expect(
            source.lines.prefix(2).contains {
                $0.contains("SPDX-License-Identifier: GPL-3.0-or-later")
            })
    }

    @Test("the core imports nothing but swift-collections")
    func coreIsPure() {
        let allowed: Set<Substring> = ["DequeModule", "HeapModule", "OrderedCollections"]
        let core = Self.product.filter { $0.path.hasPrefix("Sources/CRDCore/") }
        #expect(!core.isEmpty)
        for source in core {
            for line in source.lines {
                let words = line.split(separator: " ")
                guard let index = words.firstIndex(of: "import"), index + 1 < words.count else {
                    continue
                }
                #expect(allowed.contains(words[index + 1]), "\(source.path): \(line)")
            }
        }
    }

    /// Each forbidden word, with the reason.
    private static let forbidden: [(word: String, why: String)] = [
        ("@unchecked Sendable", "the thread boundary is wrong"),
        ("nonisolated(unsafe)", "the thread boundary is wrong"),
        ("import Dispatch", "the daemon has one thread"),
        ("import Foundation\n", "it would make the start five times as long"),
        (" await ", "order must be replayable"),
        ("fork()", "after it only async-signal-safe C may run"),
        ("try!", "input throws"),
        ("TODO", "whole or not at all"),
        ("FIXME", "whole or not at all"),
    ]

    @Test("every dependency, and every dependency of a dependency, has an exact version")
    func dependenciesAreExact() throws {
        let package = try String(
            contentsOf: Self.root.appending(path: "Package.swift"), encoding: .utf8)
        let pinned = package.matches(
            of: #/\.package\(\s*url: "(.+?)",\s*exact: "(\d+\.\d+\.\d+)"\)/#
        )
        .reduce(into: [:]) { $0[String($1.output.1)] = String($1.output.2) }
        #expect(!pinned.isEmpty)
        #expect(package.matches(of: #/\.package\(/#).count == pinned.count)

        // The versions that the package manager chose when it last resolved the dependencies.
        struct Resolved: Decodable {
            struct Pin: Decodable {
                struct State: Decodable { var version: String? }
                var location: String
                var state: State
            }
            var pins: [Pin]
        }
        let file = Self.root.appending(path: "Package.resolved")
        let chosen = try JSONDecoder().decode(Resolved.self, from: Data(contentsOf: file)).pins
            .reduce(into: [:]) { $0[$1.location] = $1.state.version }
        #expect(chosen == pinned)
    }

    @Test("nothing that the house does without", arguments: product)
    func nothingForbidden(_ source: Source) {
        for (word, why) in Self.forbidden {
            #expect(!source.text.contains(word), "\(word): \(why)")
        }
    }

    @Test("nothing prints but what cleans all that it prints", arguments: product)
    func onePlacePrints(_ source: Source) {
        guard source.path != "Sources/crd/Display/StandardOutput.swift" else { return }
        let calls = source.text.matches(
            of: #/(?:^|[^A-Za-z_.])(?:print|debugPrint|dump|f?puts|f?printf)\(/#)
        #expect(calls.isEmpty, "use StandardOutput or StandardError, in the daemon the log")
    }

    @Test("a function fits on a screen", arguments: product)
    func functionsAreShort(_ source: Source) {
        let lengthMax = 70
        var begin: (line: Int, indent: Int)?
        for (number, line) in source.lines.enumerated() {
            let indent = line.prefix { $0 == " " }.count
            let code = line.dropFirst(indent)
            if begin == nil, code.contains("func ") || code.contains("init("), !code.hasPrefix("//")
            {
                begin = (number, indent)
            }
            guard let start = begin, code == "}", indent == start.indent else { continue }
            #expect(number - start.line <= lengthMax, "\(source.path):\(start.line + 1)")
            begin = nil
        }
    }

    @Test("a file has the name of a type in it", arguments: product)
    func fileNames(_ source: Source) {
        let name = URL(filePath: source.path).deletingPathExtension().lastPathComponent
        let extensions = [
            "SystemCall", "LibsystemdCall", "KernelTypes", "TOMLFormat", "ConfigurationFormats",
            "ManifestFormats", "TriggerFormats",
        ]
        guard !extensions.contains(name) else { return }
        // Extensions of a type, named by their subject.
        if let plus = name.firstIndex(of: "+") {
            #expect(source.text.contains("extension \(name[..<plus])"))
            return
        }
        let kinds = ["struct", "class", "enum", "protocol", "actor", "typealias"]
        #expect(kinds.contains { source.text.contains("\($0) \(name)") })
    }
}
