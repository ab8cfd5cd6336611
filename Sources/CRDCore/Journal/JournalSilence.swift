// SPDX-License-Identifier: GPL-3.0-or-later

/// Detects that nobody writes to the journal, so that no entry can come (G9).
///
/// A short silence is normal, for example while journald restarts.
public struct JournalSilence: Sendable {
    /// How long nobody must have written before the journal counts as silent.
    static let grace = Duration.seconds(5)
    /// The least time between two checks whether somebody writes.
    static let period = Duration.seconds(1)

    private var askedAt: Instant?
    private var unwrittenSince: Instant?
    public private(set) var isSilent = false

    public init() {}

    /// Returns whether to check now, after a look at the journal that found nothing.
    public func isDue(at now: Instant) -> Bool {
        askedAt.map { $0 + Self.period <= now } ?? true
    }

    /// When to check again without a notification; nil where somebody writes.
    public var deadline: Instant? {
        guard unwrittenSince != nil else { return nil }
        return askedAt.map { $0 + (isSilent ? Self.grace : Self.period) }
    }

    /// Records the result of a check.
    public mutating func record(isWritten: Bool, at now: Instant) {
        askedAt = now
        guard !isWritten else { return hear() }
        let since = unwrittenSince ?? now
        unwrittenSince = since
        isSilent = since + Self.grace <= now
    }

    /// Records that an entry has come.
    public mutating func hear() {
        unwrittenSince = nil
        isSilent = false
    }
}
