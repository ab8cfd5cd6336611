// SPDX-License-Identifier: GPL-3.0-or-later

/// A fault in a file that a person wrote: its position, what is wrong, and what would be right.
public struct Diagnostic: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Severity: Hashable, Sendable {
        /// The file, or its module, is refused.
        case error
        /// Nothing is refused, but the file hardly means what its author thinks.
        case warning
    }

    public var severity: Severity
    public var file: String
    public var position: SourcePosition
    public var message: String

    public init(
        _ severity: Severity = .error, file: String, position: SourcePosition, message: String
    ) {
        self.severity = severity
        self.file = file
        self.position = position
        self.message = message
    }

    /// The form of editors and compilers: `file:line:column: message`, with `warning: ` before the
    /// message of a warning.
    public var description: String {
        severity == .warning ? "\(place): warning: \(message)" : lineOfLog
    }

    /// The form for a log, whose level gives the severity.
    public var lineOfLog: String { "\(place): \(message)" }

    private var place: String { "\(file):\(position)" }
}

extension [Diagnostic] {
    /// The diagnostics that refuse something.
    public var errors: [Diagnostic] { filter { $0.severity == .error } }

    public var warnings: [Diagnostic] { filter { $0.severity == .warning } }
}
