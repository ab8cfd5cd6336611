// SPDX-License-Identifier: GPL-3.0-or-later

/// A `[[trigger.journal]]` of a manifest: which entries of the journal to look out for.
public struct JournalTrigger: Hashable, Codable, Sendable {
    /// A field, and the values of which it must have one.
    public struct Match: Hashable, Codable, Sendable {
        public let field: String
        public let values: [String]

        public init(field: String, values: [String]) {
            self.field = field
            self.values = values
        }
    }

    /// What entries are counted apart by.
    public enum Key: Hashable, Codable, Sendable {
        case field(String)
        /// A named group of the pattern.
        case capture(String)
    }

    /// So many entries in that time are one event.
    public struct Counting: Hashable, Codable, Sendable {
        public let count: Int
        public let window: Duration
        public let key: Key?

        public init(count: Int, within window: Duration, by key: Key? = nil) {
            self.count = count
            self.window = window
            self.key = key
        }
    }

    /// Each of them must hold.
    public var match: [Match]
    /// The units of which an entry must be about one, as for `journalctl --unit`; nil: any will do.
    public var units: [UnitPattern]?
    /// What the pattern is matched with.
    public var field: String
    /// As pcre2pattern(3); nil: any text will do.
    public var pattern: String?
    /// Nil: every entry is an event.
    public var counting: Counting?

    public init(
        match: [Match] = [], units: [UnitPattern]? = nil, field: String = "MESSAGE",
        pattern: String? = nil,
        counting: Counting? = nil
    ) {
        self.match = match
        self.units = units
        self.field = field
        self.pattern = pattern
        self.counting = counting
    }
}
