// SPDX-License-Identifier: GPL-3.0-or-later

/// The facts about a pattern that the core needs. The shell has PCRE2 and compiles it.
public struct PatternOutline: Sendable {
    /// The names of its groups.
    public let captures: [String]
    /// The size of the compiled pattern in bytes. The time to compile it grows with that.
    public let size: Int

    public init(captures: [String], size: Int) {
        self.captures = captures
        self.size = size
    }

    /// How many bytes the patterns of one manifest may take together, whose author may be a
    /// stranger: the daemon compiles them when it starts and when they change. Most take 200.
    static let sizeMax = 1 << 18

    /// How many named groups a pattern may have. What they match is copied for each line.
    static let capturesMax = 64

    /// Why a pattern does not compile.
    public struct Malformed: Error {
        public let reason: String
        /// The offset of the fault in bytes from the pattern's beginning.
        public let offset: Int

        public init(reason: String, offset: Int) {
            self.reason = reason
            self.offset = offset
        }
    }

    /// Compiles a pattern to find its groups; throws where it does not compile.
    public typealias Compiler = @Sendable (String) throws(Malformed) -> PatternOutline
}
