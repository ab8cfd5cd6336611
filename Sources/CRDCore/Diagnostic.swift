// SPDX-License-Identifier: GPL-3.0-or-later

/// A complaint about a file somebody wrote: where, what is wrong, and what would be right.
public struct Diagnostic: Error, Hashable, Sendable, CustomStringConvertible {
    public var file: String
    public var position: SourcePosition
    public var message: String

    public init(file: String, position: SourcePosition, message: String) {
        self.file = file
        self.position = position
        self.message = message
    }

    /// The form editors and compilers agree on: `file:line:column: message`.
    public var description: String { "\(file):\(position): \(message)" }
}
