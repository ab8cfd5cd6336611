// SPDX-License-Identifier: GPL-3.0-or-later

/// Notices a module whose triggers keep coming out of its own runs (G10): a path that its check
/// reads, a line that its response logs.
///
/// Nobody says who caused an event, so the time tells: an event that happened while a run of the
/// module was under way is an echo. One more run because of echoes alone is usual, since a response
/// changes what is watched. Where run follows upon run so, the pauses between them grow. An event
/// that happens in such a pause comes from elsewhere and ends it at once.
struct EchoMemory: Sendable {
    /// How long after a run what it caused may still be told.
    static let lag = Duration.milliseconds(50)
    /// How many runs in a row may have been caused by echoes alone before the pauses grow.
    static let toleratedMax = 1
    /// With so many it is told: by then a pause has passed in which nothing else happened.
    static let toldCount = 5
    /// The shortest pause that grows.
    private static let pauseMin = Duration.milliseconds(100)

    private struct Span {
        var start: Instant
        var end: Instant?

        func contains(_ time: Instant) -> Bool {
            guard start <= time else { return false }
            return end.map { time <= $0 + EchoMemory.lag } ?? true
        }
    }

    /// The latest run and the one before: what is logged may be read late.
    private var latest: Span?
    private var former: Span?
    /// How many runs in a row were caused by echoes alone.
    private(set) var count = 0
    private var isTold = false
    /// Before it, echoes alone start no run.
    private(set) var quietUntil: Instant

    init(at now: Instant) {
        quietUntil = now
    }

    mutating func beginRun(at now: Instant) {
        former = latest
        latest = Span(start: now)
    }

    /// Takes note of an event.
    ///
    /// - Returns: whether one of the latest runs seems to have caused it.
    mutating func note(_ event: TriggerEvent, at now: Instant) -> Bool {
        let time = Instant(nanoseconds: now.nanoseconds - event.age.nanoseconds)
        let spans = [latest, former].compactMap(\.self)
        let isEcho = !event.isForeign && spans.contains { $0.contains(time) }
        if !isEcho { count = 0 }
        return isEcho
    }

    /// The run could not be started.
    mutating func endRun(at now: Instant) {
        latest?.end = now
    }

    /// The run has ended, and has served its events.
    ///
    /// - Parameters:
    ///   - wasEcho: it was caused by echoes alone.
    ///   - cooldown: the least time to the next triggered run.
    ///   - longest: how far the pauses grow.
    mutating func endRun(
        wasEcho: Bool, cooldown: Duration, longest: Duration, at now: Instant
    ) {
        endRun(at: now)
        count = wasEcho ? count + 1 : 0
        quietUntil = now + cooldown
        guard count > Self.toleratedMax else { return }
        let doublings = min(count - Self.toleratedMax, 32)
        let pause = min(max(cooldown, Self.pauseMin) * (1 << doublings), longest)
        quietUntil = now + max(cooldown, pause)
    }

    /// - Returns: whether it is time to tell of it, which is so once.
    mutating func passTelling() -> Bool {
        guard count >= Self.toldCount, !isTold else { return false }
        isTold = true
        return true
    }

    /// The module's files have changed: whatever it did, it may not do it any more.
    mutating func forget(at now: Instant) {
        (count, isTold) = (0, false)
        quietUntil = min(quietUntil, now)
    }
}
