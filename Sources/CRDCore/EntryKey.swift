// SPDX-License-Identifier: GPL-3.0-or-later

/// What a journal entry is counted by: two values are one key only where they are the same, however
/// long they are, and entries without any value are counted together.
public struct EntryKey: Hashable, Sendable {
    /// So many bytes of a value are kept and shown.
    static let shownMax = 256
    /// Of an entry that has no such field, or in whose text the group took no part.
    static let missing = EntryKey(shown: [], digest: [0])

    /// The beginning of the value.
    let shown: [UInt8]
    /// Of the whole value, where that is longer; nil where `shown` is all of it.
    let digest: [UInt8]?

    public init(_ value: some Collection<UInt8>) {
        let isShort = value.count <= Self.shownMax
        self.init(
            shown: Array(value.prefix(Self.shownMax)),
            digest: isShort ? nil : SHA256.digest(value))
    }

    private init(shown: [UInt8], digest: [UInt8]?) {
        self.shown = shown
        self.digest = digest
    }
}
