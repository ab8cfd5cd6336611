// SPDX-License-Identifier: GPL-3.0-or-later

/// The key by which a journal entry is counted. Only equal values make one key, and entries without
/// a value are counted together.
///
/// Of a value longer than 1 MiB, only the first and last 512 KiB and the length are compared: the
/// writer of a log chooses the length, and must not be able to block the daemon with it (G15).
public struct EntryKey: Hashable, Sendable {
    /// How many bytes of a value are kept and shown.
    static let shownMax = 256
    /// How many bytes at each end go into the digest of a longer value.
    static let digestedMax = 1 << 19
    /// The key of an entry without the field, or where the group took no part in the match.
    static let missing = EntryKey(shown: [], digest: [0])

    /// The beginning of the value.
    let shown: [UInt8]
    /// The digest of the whole value, if it is longer than `shown`; else nil.
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

    init(shown: [UInt8], digest: [UInt8]?) {
        self.shown = shown
        self.digest = digest
    }
}
