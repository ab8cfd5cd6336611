// SPDX-License-Identifier: GPL-3.0-or-later

/// A complaint about a file somebody wrote: where, what is wrong, and what would be right.
public struct Diagnostic: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Severity: Hashable, Sendable {
        /// The file, or the module that it belongs to, is refused.
        case error
        /// Nothing is refused, but the file hardly says what its author meant.
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

    /// The form editors and compilers agree on: `file:line:column: message`, with `warning: ` before
    /// the message of a warning.
    public var description: String {
        severity == .warning ? "\(place): warning: \(message)" : lineOfLog
    }

    /// For a log, whose level says how severe it is.
    public var lineOfLog: String { "\(place): \(message)" }

    private var place: String { "\(file):\(position)" }
}

extension [Diagnostic] {
    /// Those that refuse something.
    public var errors: [Diagnostic] { filter { $0.severity == .error } }

    public var warnings: [Diagnostic] { filter { $0.severity == .warning } }
}
