// SPDX-License-Identifier: GPL-3.0-or-later

/// A `[[trigger.journal]]` of a manifest: which journal entries trigger the module.
public struct JournalTrigger: Hashable, Codable, Sendable {
    /// A field and its accepted values, one of which an entry must have.
    public struct Match: Hashable, Codable, Sendable {
        public let field: String
        public let values: [String]

        public init(field: String, values: [String]) {
            self.field = field
            self.values = values
        }
    }

    /// The key by which entries are counted separately.
    public enum Key: Hashable, Codable, Sendable {
        case field(String)
        /// A named group of the pattern.
        case capture(String)
    }

    /// How many entries within which time make one event.
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

    /// An entry must meet all of them.
    public var match: [Match]
    /// The units that an entry may be about, as for `journalctl --unit`; nil: any.
    public var units: [UnitPattern]?
    /// The field that the pattern is matched against.
    public var field: String
    /// The pattern (pcre2pattern(3)); nil: any text matches.
    public var pattern: String?
    /// Nil: every entry is one event.
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
