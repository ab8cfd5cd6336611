// SPDX-License-Identifier: GPL-3.0-or-later

/// What has come of a module's runs since the daemon started.
struct RunTally {
    private(set) var runs = 0
    private(set) var responses = 0
    private(set) var last: Conclusion?
    private(set) var lastEnded: Instant?

    mutating func add(_ conclusion: Conclusion, at now: Instant) {
        runs += 1
        if case .ended = conclusion.response { responses += 1 }
        last = conclusion
        lastEnded = now
    }
}
