// SPDX-License-Identifier: GPL-3.0-or-later

/// A table of a TOML document, with its entries in the order of the source.
public struct TOMLTable: Equatable, Sendable {
    public struct Entry: Equatable, Sendable {
        public var key: String
        public var position: SourcePosition
        public var value: TOMLValue

        public init(key: String, position: SourcePosition, value: TOMLValue) {
            self.key = key
            self.position = position
            self.value = value
        }
    }

    public let entries: [Entry]

    /// Creates a table from entries in any order; their keys differ, as TOML demands.
    public init(_ entries: [Entry] = []) {
        self.entries = entries.sorted { $0.position < $1.position }
    }

    /// Searches all entries: tables are small, and each key is looked up once.
    public subscript(key: String) -> Entry? {
        entries.first { $0.key == key }
    }
}
