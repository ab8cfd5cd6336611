// SPDX-License-Identifier: GPL-3.0-or-later

/// What the core knows of a pattern. Compiling it is the shell's, which has PCRE2.
public struct PatternOutline: Sendable {
    /// The names of its groups.
    public let captures: [String]

    public init(captures: [String]) {
        self.captures = captures
    }

    /// Why a pattern does not compile.
    public struct Malformed: Error {
        public let reason: String
        /// In bytes from the pattern's beginning.
        public let offset: Int

        public init(reason: String, offset: Int) {
            self.reason = reason
            self.offset = offset
        }
    }

    /// Compiles a pattern to see what is in it.
    public typealias Compiler = @Sendable (String) throws(Malformed) -> PatternOutline
}
