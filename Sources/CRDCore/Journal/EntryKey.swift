// SPDX-License-Identifier: GPL-3.0-or-later

/// What a journal entry is counted by: two values are one key only where they are the same, and
/// entries without any value are counted together.
///
/// Of what is longer than a mebibyte, half of one at each end and the length are compared: whoever
/// writes logs decides how long a value is, and must not hold the daemon by that (G15).
public struct EntryKey: Hashable, Sendable {
    /// So many bytes of a value are kept and shown.
    static let shownMax = 256
    /// So many at each end make the digest of a longer one.
    static let digestedMax = 1 << 19
    /// Of an entry that has no such field, or in whose text the group took no part.
    static let missing = EntryKey(shown: [], digest: [0])

    /// The beginning of the value.
    let shown: [UInt8]
    /// Of the whole value, where that is longer; nil where `shown` is all of it.
    let digest: [UInt8]?

    public init(_ value: some BidirectionalCollection<UInt8>) {
        let isShort = value.count <= Self.shownMax
        self.init(
            shown: Array(value.prefix(Self.shownMax)),
            digest: isShort ? nil : Self.digest(of: value))
    }

    private static func digest(of value: some BidirectionalCollection<UInt8>) -> [UInt8] {
        guard value.count > 2 * digestedMax else { return SHA256.digest(value) }
        let ends = Array(value.prefix(digestedMax)) + Array(value.suffix(digestedMax))
        return SHA256.digest(ends + Array("\(value.count)".utf8))
    }

    private init(shown: [UInt8], digest: [UInt8]?) {
        self.shown = shown
        self.digest = digest
    }
}
