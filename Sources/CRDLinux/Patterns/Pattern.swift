// SPDX-License-Identifier: GPL-3.0-or-later

import CPCRE2
import CRDCore

/// A pattern for log lines (pcre2pattern(3)), compiled once, and at its first use by the JIT, where
/// that is available.
///
/// Lines are hostile input, and most patterns have a line that would keep them busy for hours.
/// PCRE2's match limit does not bound that time: it starts anew at each possible start of a match,
/// and ignores how far a single item goes. So there are two methods:
///
/// - Fast: the plain pattern, for lines of up to 1 KiB. Its match limit is so low that limit,
///   possible starts and length multiply to 4 Mi steps. Of 80 patterns made to be slow none took
///   2 ms; an honest one takes 0.1 µs on 100 bytes.
/// - Slow: the pattern with a callout before each item, which reads a clock. It is for longer
///   lines, for those that meet the fast method's limit, and if there is no JIT. After 5 ms the
///   match is aborted; of those 80 patterns none took 6.5 ms. An honest pattern takes up to 1 ms on
///   64 KiB, and 3 ms interpreted.
///
/// Only one thread at a time may use a pattern. It takes 2 KB, and 7 KB more after the first use of
/// the slow method.
public final class Pattern {
    /// A pattern that does not compile: the reason and the position.
    public struct Malformed: Error, Equatable {
        /// PCRE2's message, unless CRD itself rejects the pattern.
        public let reason: String
        /// In bytes of the pattern.
        public let offset: Int
    }

    /// The result of matching a line.
    public enum Outcome: Equatable, Sendable {
        case unmatched
        case matched
        /// The match exceeded a limit, so it is unknown whether the line matches. The reason names
        /// the limit: "time limit exceeded", "JIT stack limit reached", "heap limit exceeded", or
        /// another message of PCRE2.
        case exceeded(reason: String)
        /// The line is longer than `subjectMax` bytes, and its beginning does not match.
        case cut
    }

    /// How many bytes of a line are matched, as many as a module receives of a field. In a longer
    /// line, `$` does not match at the cut, and the rest is not searched.
    ///
    /// A single item may go through the whole line between two readings of the clock. Interpreted,
    /// `\p{L}` takes 12 ns a character: 6 ms for eight passes through 64 KiB, but 75 ms at the 768
    /// KiB that journald accepts.
    public static let subjectMax = 1 << 16

    /// Named groups, in the order of their numbers. Each name occurs once, and has only ASCII
    /// letters, digits and underscores.
    public let captureNames: [String]
    private let captureNumbers: [[Int]]
    private let plain: CompiledPattern
    private let plainSpace: MatchContext
    private let watched: CompiledPattern
    /// The thread time of the latest match in nanoseconds; 0 if the fast method was enough.
    public private(set) var slowNanoseconds: Int64 = 0
    /// The ranges of the named groups in the latest match.
    private var captured: [Range<Int>?] = []

    /// Compiles a pattern (pcre2_compile(3), pcre2_jit_compile(3)) for lines in UTF-8. Invalid
    /// bytes in a line are matched as question marks.
    ///
    /// - Throws: `Malformed` if the pattern is invalid or too large, at some 8,000 characters; if a
    ///   group's name is not ASCII and so cannot be part of an environment variable's name; or if
    ///   it uses `\C` or `\X`.
    public init(_ text: String) throws(Malformed) {
        // Callouts take room, so a pattern that compiles with them compiles without.
        watched = try CompiledPattern(text, options: PCRE2_AUTO_CALLOUT)
        plain = try CompiledPattern(text)
        plainSpace = MatchContext(for: plain)
        let groups = plain.namedGroups
        captureNames = groups.map(\.name)
        captureNumbers = groups.map(\.numbers)
        // PCRE2 accepts letters, digits and underscores, but those of any script.
        if let name = captureNames.first(where: { $0.utf8.contains { $0 >= 0x80 } }) {
            let beginnings = ["(?<\(name)>", "(?P<\(name)>", "(?'\(name)'"]
            throw Malformed(
                reason: "group name '\(name)' does not consist of ASCII letters, digits and "
                    + "underscores only",
                offset: watched.firstItem(beginningWith: beginnings, in: text) ?? 0)
        }
        // Interpreted, \X counts all preceding flags again at each flag: 0.7 s for 64 KiB of flags,
        // all within one item.
        if let offset = watched.firstItem(beginningWith: ["\\X"], in: text) {
            throw Malformed(
                reason: "using \\X is disabled, since a line of flag emoji could make it very slow",
                offset: offset)
        }
    }

    /// In bytes, without what serves the slow method and the JIT.
    var size: Int { plain.size }

    /// Searches a line's first `subjectMax` bytes for the pattern (pcre2_match(3)).
    ///
    /// Invalid bytes are replaced first. PCRE2 matches nothing across a byte that is not UTF-8, so
    /// an attacker could use one to hide a line from `user .* failed`.
    public func match(_ subject: UnsafeRawBufferPointer) -> Outcome {
        let isCut = subject.count > Self.subjectMax
        let line = UnsafeRawBufferPointer(rebasing: subject.prefix(Self.subjectMax))
        slowNanoseconds = 0
        let outcome =
            if let copy = UTF8Repair.repaired(line) {
                copy.withUnsafeBytes { match($0, isCut: isCut) }
            } else {
                match(line, isCut: isCut)
            }
        return isCut && outcome == .unmatched ? .cut : outcome
    }

    private func match(_ line: UnsafeRawBufferPointer, isCut: Bool) -> Outcome {
        // Not earlier, since that may take 4 ms, and a manifest may have 256 patterns.
        plain.compileNatively()
        if plain.isNative && line.count <= Self.plainMax {
            plainSpace.setMatchLimit(Self.plainLimit(line.count))
            let result = plain.match(line, in: plainSpace)
            if result >= PCRE2_ERROR_NOMATCH { return conclude(result, plainSpace) }
        }
        let start = Clock.threadNanoseconds
        defer { slowNanoseconds = Clock.threadNanoseconds - start }
        return matchWatched(line, isCut: isCut)
    }

    /// Returns where in the line a named group matched in the latest match, which must have been
    /// `.matched`; nil if the group took no part. Of groups with the same name, the first that took
    /// part counts.
    ///
    /// - Parameter index: into `captureNames`.
    public func range(ofCapture index: Int) -> Range<Int>? { captured[index] }

    /// The longest line for the fast method.
    private static let plainMax = 1 << 10

    /// Returns the match limit for a length: from each possible start, one counted step may go
    /// through the whole line. Honest patterns seldom need more than four.
    private static func plainLimit(_ count: Int) -> UInt32 {
        let countMin = 1 << 6
        return UInt32((1 << 22) / max(count * count, countMin * countMin))
    }

    /// The size of the JIT's stack or the interpreter's heap, in bytes: with the JIT enough for 64
    /// KiB of text in `(?:[^"\\]|\\.)*`. Both are released after the match.
    private static let memoryMax = 1 << 22

    private func matchWatched(_ line: UnsafeRawBufferPointer, isCut: Bool) -> Outcome {
        watched.compileNatively()
        let options = isCut ? PCRE2_NOTEOL : 0
        let space = MatchContext(for: watched)
        space.setHeapLimit(Self.memoryMax)
        var watch = MatchTimeLimit()
        let result = withUnsafeMutablePointer(to: &watch) { watch in
            space.setCallout(watch)
            let result = watched.match(line, options: options, in: space)
            guard result == PCRE2_ERROR_JIT_STACKLIMIT else { return result }
            // The 32 KiB that it uses of the thread's own stack are enough for nearly all lines.
            return space.withStack(Self.memoryMax) {
                watched.match(line, options: options, in: space)
            }
        }
        return conclude(result, space)
    }

    private func conclude(_ result: CInt, _ space: borrowing MatchContext) -> Outcome {
        switch result {
        case PCRE2_ERROR_NOMATCH:
            captured = []
            return .unmatched
        case 1...:
            captured = []
            for numbers in captureNumbers { captured.append(space.range(ofFirstOf: numbers)) }
            return .matched
        default:
            captured = []
            let isTime = result == PCRE2_ERROR_CALLOUT
            return .exceeded(
                reason: isTime ? "time limit exceeded" : CompiledPattern.message(for: result))
        }
    }
}
