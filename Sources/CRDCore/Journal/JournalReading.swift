// SPDX-License-Identifier: GPL-3.0-or-later

/// How far the journal has been read, and when that is to be stored.
struct JournalReading: Sendable {
    /// The least time between two stores.
    static let storePeriod = Duration.seconds(1)

    /// How often, at the most, it is stored that entries were read which nobody looks out for: they
    /// would only be read again.
    static let idleStorePeriod = Duration.seconds(60)

    /// Nil before anything was read.
    private(set) var position: JournalPosition?
    /// What is too old to be looked at, until all that was there at the start has been read.
    var catchUp: CatchUp?
    var isCaughtUp = false
    /// Entries were told and counted that the position does not show yet: what is stored now would
    /// count them twice.
    private var isBehind = false
    /// When reading began: until then all is stored.
    private var begunAt: Instant?
    private var storedAt: Instant?
    private var storeAt: Instant?

    /// When to store; nil where nothing has changed that matters.
    var deadline: Instant? { isBehind ? nil : storeAt }

    /// There is something to be caught up with once more, or still.
    mutating func goBack(_ catchUp: CatchUp?) {
        if isCaughtUp { self.catchUp = catchUp }
        isCaughtUp = false
    }

    mutating func advance(to position: JournalPosition, at now: Instant) {
        self.position = position
        isBehind = false
        let begun = begunAt ?? now
        begunAt = begun
        // Not by a deadline, which would wake the machine for it.
        if (storedAt ?? begun) + Self.idleStorePeriod <= now { wantStore(at: now) }
    }

    mutating func noteMatch() {
        isBehind = true
    }

    mutating func wantStore(at now: Instant) {
        guard storeAt == nil else { return }
        storeAt = storedAt.map { max(now, $0 + Self.storePeriod) } ?? now
    }

    /// - Returns: whether it is time to store.
    mutating func passStore(at now: Instant) -> Bool {
        guard let storeAt, storeAt <= now, !isBehind else { return false }
        self.storeAt = nil
        storedAt = now
        return true
    }
}
