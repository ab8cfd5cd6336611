// SPDX-License-Identifier: GPL-3.0-or-later

/// A value of a TOML document and its position.
public struct TOMLValue: Equatable, Sendable {
    public enum Content: Equatable, Sendable {
        case string(String)
        case integer(Int64)
        case float(Double)
        case boolean(Bool)
        /// A date, a time or both. No key accepts one, so the kind is not kept.
        case date
        case array([TOMLValue])
        case table(TOMLTable)
    }

    public var content: Content
    public var position: SourcePosition

    public init(_ content: Content, at position: SourcePosition) {
        self.content = content
        self.position = position
    }

    /// The kind of the value, as complaints name it.
    var kind: String {
        switch content {
        case .string: "a string"
        case .integer: "an integer"
        case .float: "a float"
        case .boolean: "a boolean"
        case .date: "a date or time"
        case .array: "an array"
        case .table: "a table"
        }
    }
}
