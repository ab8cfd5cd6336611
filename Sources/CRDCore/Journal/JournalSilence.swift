// SPDX-License-Identifier: GPL-3.0-or-later

/// Finds out that nobody writes to the journal, so that to wait for entries is in vain (G9).
///
/// For a moment that is as it should be, as when journald is started again.
public struct JournalSilence: Sendable {
    /// How long nobody must have written.
    static let grace = Duration.seconds(5)
    /// The least time between two questions whether somebody writes.
    static let period = Duration.seconds(1)

    private var askedAt: Instant?
    private var unwrittenSince: Instant?
    public private(set) var isSilent = false

    public init() {}

    /// Whether to ask now, having looked and found nothing.
    public func isDue(at now: Instant) -> Bool {
        askedAt.map { $0 + Self.period <= now } ?? true
    }

    /// When to ask again though nothing rings; nil where somebody writes.
    public var deadline: Instant? {
        guard unwrittenSince != nil else { return nil }
        return askedAt.map { $0 + (isSilent ? Self.grace : Self.period) }
    }

    /// Takes the answer.
    public mutating func note(isWritten: Bool, at now: Instant) {
        askedAt = now
        guard !isWritten else { return hear() }
        let since = unwrittenSince ?? now
        unwrittenSince = since
        isSilent = since + Self.grace <= now
    }

    /// An entry has come.
    public mutating func hear() {
        unwrittenSince = nil
        isSilent = false
    }
}
