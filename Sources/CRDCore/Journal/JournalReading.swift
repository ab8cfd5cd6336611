// SPDX-License-Identifier: GPL-3.0-or-later

/// How far the journal has been read, and when to store that.
struct JournalReading: Sendable {
    /// The least time between two stores.
    static let storePeriod = Duration.seconds(1)

    /// The least time between two stores where no entry matched: without a store, such entries
    /// would only be read again.
    static let idleStorePeriod = Duration.seconds(60)

    /// Nil before the first entry.
    private(set) var position: JournalPosition?
    /// Which of the missed entries are too old, until the journal has been read to its end.
    var catchUp: CatchUp?
    var isCaughtUp = false
    /// Whether matches were counted since `position` last advanced: a record stored now would count
    /// them twice.
    private var isBehind = false
    /// When reading began; until then everything is stored.
    private var begunAt: Instant?
    private var storedAt: Instant?
    private var storeAt: Instant?

    /// When to store; nil where nothing that matters has changed.
    var deadline: Instant? { isBehind ? nil : storeAt }

    /// Notes that reading goes back, so that there are missed entries once more.
    mutating func goBack(_ catchUp: CatchUp?) {
        if isCaughtUp { self.catchUp = catchUp }
        isCaughtUp = false
    }

    mutating func advance(to position: JournalPosition, at now: Instant) {
        self.position = position
        isBehind = false
        let begun = begunAt ?? now
        begunAt = begun
        // Without a deadline, which would wake the machine just for this.
        if (storedAt ?? begun) + Self.idleStorePeriod <= now { wantStore(at: now) }
    }

    mutating func markBehind() {
        isBehind = true
    }

    mutating func wantStore(at now: Instant) {
        guard storeAt == nil else { return }
        storeAt = storedAt.map { max(now, $0 + Self.storePeriod) } ?? now
    }

    /// Clears the deadline of the store, once it has come.
    ///
    /// - Returns: whether it is time to store.
    mutating func passStore(at now: Instant) -> Bool {
        guard let storeAt, storeAt <= now, !isBehind else { return false }
        self.storeAt = nil
        storedAt = now
        return true
    }
}
