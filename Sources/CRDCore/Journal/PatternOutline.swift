// SPDX-License-Identifier: GPL-3.0-or-later

/// The facts about a pattern that the core needs. The shell has PCRE2 and compiles it.
public struct PatternOutline: Sendable {
    /// The names of its groups.
    public let captures: [String]

    public init(captures: [String]) {
        self.captures = captures
    }

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
