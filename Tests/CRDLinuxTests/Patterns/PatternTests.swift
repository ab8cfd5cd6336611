// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import TestSupport
import Testing

@Suite("Pattern")
struct PatternTests {
    /// The captures of a pattern in a line; nil if there is no match.
    private static func found(_ pattern: Pattern, in line: [UInt8]) -> [String?]? {
        line.withUnsafeBytes { line in
            guard pattern.match(line) == .matched else { return nil }
            return pattern.captureNames.indices.map { index in
                pattern.range(ofCapture: index).map { String(decoding: line[$0], as: UTF8.self) }
            }
        }
    }

    private static func line(of unit: String, length: Int, end: String = "") -> [UInt8] {
        let rest = length - end.utf8.count
        let text = String(repeating: unit, count: rest / unit.utf8.count + 1)
        return Array(text.utf8.prefix(rest)) + Array(end.utf8)
    }

    private static let twice = "two named subpatterns have the same name (PCRE2_DUPNAMES not set)"
    private static let noName =
        "group name 'é' does not consist of ASCII letters, digits and underscores only"
    private static let noClusters =
        "using \\X is disabled, since a line of flag emoji could make it very slow"

    @Test(
        "says why it does not compile, and where",
        arguments: [
            ("a(b", "missing closing parenthesis", 3),
            ("a)b", "unmatched closing parenthesis", 1),
            ("worker [0-9", "missing terminating ] for character class", 11),
            ("*", "quantifier does not follow a repeatable item", 0),
            ("é*)", "unmatched closing parenthesis", 3),
            ("(?<=a+)b", "lookbehind assertion is not fixed length", 0),
            ("a\\Cb", "using \\C is disabled by the application", 3),
            ("(?<a>x)(?<a>y)", twice, 12),
            ("(?<1>x)", "subpattern name must start with a non-digit", 3),
            ("a<é>(?=(?<é>x))", noName, 8),
            ("é(?'é'x)", noName, 2),
            ("(?P<é>x)", noName, 0),
            ("é(?:\\X+)", noClusters, 5),
            ("(?x) [\\\\X] \\X", noClusters, 11),
        ])
    func malformed(text: String, reason: String, offset: Int) {
        let error = #expect(throws: Pattern.Malformed.self) { try Pattern(text) }
        #expect(error?.reason == reason)
        #expect(error?.offset == offset)
    }

    @Test(
        "names its groups in the order of their numbers",
        arguments: [
            ("worker \\d+", []),
            ("(?<worker>\\d+)", ["worker"]),
            ("(?<z>.)(.)(?P<a_1>.)(?'M'.)", ["z", "a_1", "M"]),
            ("(?|(?<a>x)|(?<a>y))", ["a"]),
            ("(?J)(?:(?<b>x)|(?<c>z)(?<b>y))", ["b", "c"]),
            ("\\\\X[\\Q\\X\\E](?#\\X)(?<a>.)", ["a"]),
        ])
    func names(text: String, names: [String]) throws {
        #expect(try Pattern(text).captureNames == names)
    }

    @Test(
        "finds what is there, and its groups",
        arguments: [
            ("worker (?<worker>\\d+) died", "so worker 17 died.", ["17"]),
            ("worker (?<worker>\\d+) died", "worker  died", nil),
            ("(?<a>x)?(?<b>y*)(?<c>z)", "-z", [nil, "", "z"]),
            ("(?<a>.)+", "xyz", ["z"]),
            ("(?<k>\\w+)=(?<v>[^ ]*)", " k= v", ["k", ""]),
            ("(?J)(?:by (?<who>\\w+)|from (?<who>\\w+))", "from b", ["b"]),
            ("(?J)(?<n>a)(?<n>b)", "ab", ["a"]),
            ("a\\K(?<x>b)", "ab", ["b"]),
            ("(?<=(?<a>x))y", "xy", ["x"]),
            ("^b", "ab", nil),
            ("^", "", []),
            ("(?<all>.*)", "", [""]),
            (".", "", nil),
            ("(?<c>.)$", "é€", ["€"]),
            ("^.{3}$", "é€😀", []),
            ("(?i)GRÖSSE", "grösse", []),
            ("\\bpanic\\b", "kernel panic", []),
            ("error|fail|panic", "no such thing", nil),
            ("(?<nul>a\0b)", "x a\0b", ["a\0b"]),
            ("^a[^x]c(?<rest>.*)", "a\0c\0d", ["\0d"]),
            ("(?<a>\\w+)(?C1)!", "yes!", ["yes"]),
            ("(?(?=x)(?<a>x)|y)", "x", ["x"]),
        ] as [(String, String, [String?]?)], ["", "(*NO_JIT)"])
    func captures(row: (text: String, line: String, captures: [String?]?), start: String) throws {
        let pattern = try Pattern(start + row.text)
        #expect(Self.found(pattern, in: Array(row.line.utf8)) == row.captures)
    }

    @Test(
        "G15: a byte that is not UTF-8 hides nothing: it is matched as a question mark",
        arguments: [
            ("worker (?<n>\\d)", [0xFF] + Array("worker 1".utf8), ["1"]),
            ("(?<a>b+)", [0xC3, 0x28, 0x62, 0xC3], ["b"]),
            ("a.b", [0x61, 0xFF, 0x62], []),
            ("a[^x]*b", [0x61, 0xE2, 0x82, 0x62], []),
            ("^a\\?{2}b$", [0x61, 0xE2, 0x82, 0x62], []),
            ("^(?<x>.)\\?", [0xC3, 0xA9, 0xED, 0xA0, 0x80], ["é"]),
            ("^.{4}$", [0x80, 0xFE, 0xC0, 0xAF], []),
            ("\\w", [0x80, 0xFE, 0xC0, 0xAF], nil),
            ("(?<x>b)$", [0x61, 0xFF, 0x62], ["b"]),
            ("a.*b", [0x61] + Array(repeating: 0xFF, count: 20_000) + [0x62], []),
        ] as [(String, [UInt8], [String?]?)], ["", "(*NO_JIT)"])
    func invalidUTF8(row: (text: String, line: [UInt8], captures: [String?]?), start: String) throws
    {
        let pattern = try Pattern(start + row.text)
        #expect(Self.found(pattern, in: row.line) == row.captures)
    }

    @Test("a group that is captured has the bytes that were logged")
    func invalidCapture() throws {
        let line: [UInt8] = [0x3C, 0x61, 0xFF, 0x62, 0x3E]
        let pattern = try Pattern("<(?<all>.*)>")
        line.withUnsafeBytes {
            #expect(pattern.match($0) == .matched)
            let range = pattern.range(ofCapture: 0)
            #expect(range.map { [UInt8](line[$0]) } == [0x61, 0xFF, 0x62])
        }
    }

    @Test("a line of no bytes needs no address", arguments: ["", "(*NO_JIT)"])
    func nothing(start: String) throws {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        let pattern = try Pattern(start + "^(?<all>.*)$")
        #expect(pattern.match(nothing) == .matched)
        #expect(pattern.range(ofCapture: 0) == 0..<0)
        #expect(try Pattern(start + ".").match(nothing) == .unmatched)
    }

    @Test("forgets the latest match at the next, and captures are of that one")
    func matchAfterMatch() throws {
        let pattern = try Pattern("(?<a>x)?(?<b>y)")
        #expect(Self.found(pattern, in: Array("xy".utf8)) == ["x", "y"])
        #expect(Self.found(pattern, in: Array("y".utf8)) == [nil, "y"])
        #expect(Self.found(pattern, in: Array("z".utf8)) == nil)
        #expect(
            Self.found(pattern, in: Self.line(of: "-", length: 5_000, end: "xy")) == ["x", "y"])
    }

    private static let hostile: [(text: String, unit: String, end: String)] = [
        ("(a+)+$", "a", "b"),
        ("(a|a)*$", "a", "b"),
        ("(a|aa)+$", "a", "b"),
        ("(*NO_START_OPT)(.*)*x", "a", "b"),
        ("^(\\w+\\s?)*$", "a", "!"),
        ("^(([a-z])+.)+[A-Z]([a-z])+$", "a", "!"),
        ("(?:a*)*b!", "a", "!b"),
        ("(a?){30}a{30}b!", "a", "!b"),
        ("(?:(?:a+)+)+b!", "a", "!b"),
        ("(\\S+\\s+)+\\d", "aa ", ""),
        ("(.*?,){11}P", "a,", "x P"),
        ("(?:[^\"]|\\\\.)*\"!", "a\\", "!\""),
        // Each start stays within any limit, but there are 65,536.
        ("a+b", "a", "!b"),
        ("(?=a+b!)", "a", "!b"),
        ("a*a*b!", "a", "!b"),
        ("[a-z]+\\d!", "a", "!1"),
        ("(a+)\\1b!", "a", "!b"),
        ("(?i)(a+)\\1b!", "aA", "!b"),
        ("a{0,1000}a{0,1000}b!", "a", "!b"),
        ("\\w+@\\w+\\.com", "a", "@b.co m"),
        ("(?s).+(?<!x).+x!", "a", "!x"),
        ("\\p{L}+(?=!)", "é", " !"),
        ("(?=[\\p{L}\\p{N}]+!)", "é", " !"),
        ("(?=a*+c)|(?=a*+d)|(?=a*+e)", "a", "!"),
        ("(?R)?a+b!", "a", "!b"),
        ("(?<r>a(?&r)?c|a+!)", "a", "b!c"),
        ("(?(?=a*b!)x|y)", "a", "!b"),
        ("(*sr:a+)!x", "a", "! x"),
    ]

    @Test(
        "a hostile line costs a bounded time", arguments: hostile,
        ["", "(*NO_JIT)", "(*LIMIT_MATCH=4000000000)(*LIMIT_HEAP=4000000000)"])
    func hostileLines(row: (text: String, unit: String, end: String), start: String) throws {
        let pattern = try Pattern(start + row.text)
        for length in [64, 256, 1_024, 4_096, 65_536, 786_432] {
            let line = Self.line(of: row.unit, length: length, end: row.end)
            let before = Clock.threadNanoseconds
            let outcome = line.withUnsafeBytes { pattern.match($0) }
            let used = Clock.threadNanoseconds - before
            // Ten times the intended limit.
            #expect(used < 50_000_000, "\(length) bytes")
            guard length == Pattern.subjectMax else { continue }
            if case .exceeded = outcome { continue }
            Issue.record("\(outcome)")
        }
    }

    @Test(
        "takes limits of a pattern that are lower than its own, and says which was reached",
        arguments: [
            ("(*LIMIT_MATCH=2)([ab]+)+$", "match limit exceeded"),
            ("(*NO_JIT)(*LIMIT_MATCH=2)([ab]+)+$", "match limit exceeded"),
            ("(*NO_JIT)(*LIMIT_DEPTH=1)([ab]+)+$", "matching depth limit exceeded"),
            ("(*NO_JIT)(*LIMIT_HEAP=0)([ab]+)+$", "heap limit exceeded"),
            ("([ab]+)+$", "time limit exceeded"),
        ])
    func limits(text: String, reason: String) throws {
        let line = Self.line(of: "ab", length: 60_000, end: "!c")
        let pattern = try Pattern(text)
        #expect(line.withUnsafeBytes { pattern.match($0) } == .exceeded(reason: reason))
    }

    /// They make each backtracking step remember more.
    private static let groups = String(repeating: "()", count: 200)

    @Test(
        "a pattern cannot take more memory than there is for it",
        arguments: [
            ("(*NO_JIT)(*LIMIT_HEAP=4000000000)(?:a|b)*c|" + groups, "heap limit exceeded"),
            ("^([ab](?1)?\(groups))!", "JIT stack limit reached"),
        ])
    func memory(text: String, reason: String) throws {
        let line = Self.line(of: "ab", length: 60_000, end: "!c")
        let pattern = try Pattern(text)
        // On a slow machine so many fresh pages take longer than the time limit.
        let reasons = [reason, "time limit exceeded"].map { Pattern.Outcome.exceeded(reason: $0) }
        #expect(reasons.contains(line.withUnsafeBytes { pattern.match($0) }))
    }

    private static let honest = [
        "worker (?<worker>\\d+) died",
        "error|fail|panic",
        "(?i)error|fail|panic",
        "\\bOOM\\b.*killed process (\\d+)",
        "Failed password for (?<user>\\S+) from (?<ip>[\\d.]+) port",
        "user=(?<u>\\S+).*from (?<ip>[\\d.]+) failed",
        "segfault at [0-9a-f]+ ip",
        "\"level\":\"(error|fatal)\".*\"msg\":\"(?<msg>(?:[^\"\\\\]|\\\\.)*)\"",
    ]
    /// A build without optimization takes half the time limit for these on 64 KiB.
    private static let honestButSlow = [
        "(?<ip>\\d{1,3}(?:\\.\\d{1,3}){3}) denied", "^(\\S+) (\\S+) .*? gave up$", "[a-z]+-\\d{6}",
    ]

    @Test(
        "an honest line is not cut off",
        arguments: [100, 1_000, 5_000, 20_000, 65_536, 786_432])
    func honestLines(length: Int) throws {
        for text in Self.honest + (length > 20_000 ? [] : Self.honestButSlow) {
            let pattern = try Pattern(text)
            let expected = length > Pattern.subjectMax ? Pattern.Outcome.cut : .unmatched
            for line in Self.honestLines(length: length) {
                #expect(line.withUnsafeBytes { pattern.match($0) } == expected, "\(text)")
            }
        }
    }

    private static func honestLines(length: Int) -> [[UInt8]] {
        [
            "Started session 1 of user anna1, pid=23123 comm=\"sshd\" from 10.0.0.17 port 5312: ",
            "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"info\",\"msg\":\"took 12ms\"} ",
            "\tat org.apache.catalina.core.StandardWrapperValve.invoke(Standard.java:202)\n",
        ].map { line(of: $0, length: length) }
    }

    @Test("a long text in one group is found whole, with the JIT's own stack")
    func longText() throws {
        let pattern = try Pattern("\"msg\":\"(?<msg>(?:[^\"\\\\]|\\\\.)*)\"")
        let text = Self.line(of: "said \\\"no\\\" ", length: 20_000)
        let line = Array("{\"msg\":\"".utf8) + text + Array("\"}".utf8)
        #expect(Self.found(pattern, in: line) == [String(decoding: text, as: UTF8.self)])
    }

    @Test(
        "G15: of a longer line the first 64 KiB are seen, and what is not there may follow",
        arguments: [
            ("needle", 65_530, .matched), ("needle", 65_531, .cut), ("needle$", 65_530, .cut),
            ("needle\\b", 65_530, .matched), ("é", 65_535, .cut), ("é", 65_534, .matched),
        ] as [(String, Int, Pattern.Outcome)])
    func cut(text: String, offset: Int, outcome: Pattern.Outcome) throws {
        let word = text == "é" ? text : "needle"
        let line = Self.line(of: "-", length: offset) + Array(word.utf8)
        let rest = Self.line(of: "-", length: 10_000)
        let pattern = try Pattern(text)
        #expect((line + rest).withUnsafeBytes { pattern.match($0) } == outcome)
        // A line that ends there is known completely.
        let short = Array(line.prefix(65_536))
        #expect(short.withUnsafeBytes { pattern.match($0) } != .cut)
    }

    /// Goal: neither a line's length nor the lack of a JIT changes what is found.
    /// Method: random patterns on random lines, each in all four ways.
    @Test(arguments: UInt64(0)..<40)
    func waysAgree(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let characters = ["a", "a", "b", " ", "\n", "é"]
        for _ in 0..<50 {
            let text = Self.randomPattern(depth: 3, &random)
            let (fast, slow) = (try Pattern(text), try Pattern("(*NO_JIT)" + text))
            for _ in 0..<4 {
                let line = (0..<random.below(12)).flatMap { _ in random.pick(characters).utf8 }
                #expect(
                    Self.found(fast, in: line) == Self.found(slow, in: line),
                    "seed \(seed): \(text) in \(line)")
                let long = Array(repeating: UInt8(ascii: "."), count: 1_100) + line
                #expect(
                    Self.found(fast, in: long) == Self.found(slow, in: long),
                    "seed \(seed): \(text) in dots and \(line)")
            }
        }
    }

    private static func randomPattern(depth: Int, _ random: inout SplitMix64) -> String {
        if depth == 0 || random.percent(30) {
            return random.pick(["a", "b", "ab", "[^a]", ".", "\\w", "\\s", "^", "$", "\\b", "é"])
        }
        func part() -> String { randomPattern(depth: depth - 1, &random) }
        switch random.below(7) {
        case 0, 1: return part() + part()
        case 2: return "(?:\(part())|\(part()))"
        case 3: return "(?:\(part()))\(random.pick(["*", "+", "?", "{2}", "*?", "++", "{1,3}"]))"
        case 4: return "(?<g\(random.below(1_000_000))>\(part()))"
        case 5: return "(?\(random.pick(["=", "!", ">"]))\(part()))"
        default: return "(\(part()))"
        }
    }

    @Test("patterns in many threads at once do not meet") func parallel() async throws {
        try await withThrowingTaskGroup { group in
            for number in 0..<16 {
                group.addTask {
                    let pattern = try Pattern("worker (?<n>\(number)\\d*) died|(a+)+$")
                    let hostile = Self.line(of: "a", length: 3_000, end: "b")
                    for round in 0..<50 {
                        let text = "worker \(number)\(round) died"
                        #expect(Self.found(pattern, in: Array(text.utf8)) == ["\(number)\(round)"])
                        #expect(Self.found(pattern, in: hostile) == nil)
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
