// SPDX-License-Identifier: GPL-3.0-or-later

import CPCRE2
import CRDCore

/// A pattern for log lines (pcre2pattern(3)), compiled once, with the JIT where there is one.
///
/// A line is hostile, and most patterns have one that they would be at for hours. PCRE2's match
/// limit does not bound that time: it counts anew from each place where a match could begin, and
/// does not count how far a single item goes. So there are two ways:
///
/// - A line of up to 1 KiB first goes through the pattern as it is, under a match limit so low that
///   limit, places to begin at and length multiply to 4 Mi steps. Of 80 patterns made to be slow
///   none took 2 ms; an honest one takes 0.1 µs on 100 bytes.
/// - What is longer, meets that limit or has no JIT goes through the pattern with a callout before
///   each of its items, where a clock is looked at: after 5 ms it is over, and of those 80 none
///   took 6.5 ms. An honest pattern takes up to 1 ms on 64 KiB, and 3 ms interpreted.
///
/// One thread at a time may use a pattern. It takes 2 KB, and 7 KB more once it met such a line.
public final class Pattern {
    /// Why a pattern does not compile, and where.
    public struct Malformed: Error, Equatable {
        /// PCRE2's own words, where it is not CRD that refuses it.
        public let reason: String
        /// In bytes of the pattern.
        public let offset: Int
    }

    /// What came of looking for a pattern in a line.
    public enum Outcome: Equatable, Sendable {
        case unmatched
        case matched
        /// It took more than a hostile line may cost; what the line holds is unknown. The reason
        /// names the limit: "time limit exceeded", "JIT stack limit reached", "heap limit
        /// exceeded", or what else PCRE2 says.
        case exceeded(reason: String)
        /// The pattern is not in the first `subjectMax` bytes of a line that is longer.
        case cut
    }

    /// How many bytes of a line are looked at, as many as a module is given of a field. The end of
    /// a line that is cut there is not matched by `$`, and what lies beyond is unknown.
    ///
    /// A single item may go through the whole line between two looks at the clock. Interpreted,
    /// `\p{L}` takes 12 ns a character: 6 ms for eight looks at 64 KiB, but 75 ms at the 768 KiB
    /// that journald takes.
    public static let subjectMax = 1 << 16

    /// Named groups, in the order of their numbers. Each name once, in ASCII letters, digits and
    /// underscores.
    public let captureNames: [String]
    private let captureNumbers: [[Int]]
    private let plain: PatternCode
    private let plainSpace: MatchContext
    private let watched: PatternCode
    /// How long the latest match took of this thread's time, in nanoseconds, if it was not short.
    public private(set) var slowNanoseconds: Int64 = 0
    /// Where in the line the named groups took part in the latest match.
    private var captured: [Range<Int>?] = []

    /// Compiles a pattern (pcre2_compile(3), pcre2_jit_compile(3)) for lines in UTF-8. Whatever else
    /// is in a line is matched as question marks.
    ///
    /// - Throws: `Malformed` if it is none or is too large, at some 8,000 characters; if the name
    ///   of a group is not ASCII and so could not be part of an environment variable's; or if it
    ///   has `\C` or `\X`.
    public init(_ text: String) throws(Malformed) {
        // What compiles with callouts, which take room, compiles without.
        watched = try PatternCode(text, options: PCRE2_AUTO_CALLOUT)
        plain = try PatternCode(text)
        plain.compileNatively()
        plainSpace = MatchContext(for: plain)
        let groups = plain.namedGroups
        captureNames = groups.map(\.name)
        captureNumbers = groups.map(\.numbers)
        // PCRE2 has taken letters, digits and underscores, but those of any script.
        if let name = captureNames.first(where: { $0.utf8.contains { $0 >= 0x80 } }) {
            let beginnings = ["(?<\(name)>", "(?P<\(name)>", "(?'\(name)'"]
            throw Malformed(
                reason: "group name '\(name)' is not of ASCII letters, digits and underscores",
                offset: watched.firstItem(beginningWith: beginnings, in: text) ?? 0)
        }
        // Interpreted, it counts the flags before a flag anew at each flag: 0.7 s for 64 KiB of
        // them, all in one item.
        if let offset = watched.firstItem(beginningWith: ["\\X"], in: text) {
            throw Malformed(
                reason: "using \\X is disabled, as a line of flags could hold it up", offset: offset
            )
        }
    }

    /// Looks for the pattern anywhere in a line's first `subjectMax` bytes (pcre2_match(3)).
    ///
    /// PCRE2 would match nothing across a byte that is not UTF-8, so whoever gets one into a line
    /// could hide the line from `user .* failed`.
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
        if plain.isNative && line.count <= Self.plainMax {
            plainSpace.setMatchLimit(Self.plainLimit(line.count))
            let result = plain.match(line, in: plainSpace)
            if result >= PCRE2_ERROR_NOMATCH { return conclude(result, plainSpace) }
        }
        let start = Clock.threadNanoseconds
        defer { slowNanoseconds = Clock.threadNanoseconds - start }
        return matchWatched(line, isCut: isCut)
    }

    /// What a named group took part with in the latest match, which must have been `.matched`; nil
    /// where it did not take part. Of groups with the same name it is the first that did. A copy.
    ///
    /// - Parameters:
    ///   - index: into `captureNames`.
    ///   - subject: what was matched.
    public func capture(_ index: Int, of subject: UnsafeRawBufferPointer) -> [UInt8]? {
        captured[index].map { Array(subject[$0]) }
    }

    /// The longest line that goes through the pattern as it is.
    private static let plainMax = 1 << 10

    /// From each place where a match could begin, a step so counted may go through the whole line.
    /// Honest patterns seldom take more than four.
    private static func plainLimit(_ count: Int) -> UInt32 {
        let countMin = 1 << 6
        return UInt32((1 << 22) / max(count * count, countMin * countMin))
    }

    /// The JIT's stack, or the interpreter's heap, in bytes: with the JIT enough for 64 KiB of text
    /// in `(?:[^"\\]|\\.)*`. Both are given back after the match.
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
            // The 32 KiB that it takes of the thread's own stack are enough for nearly all.
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
                reason: isTime ? "time limit exceeded" : PatternCode.message(for: result))
        }
    }
}
