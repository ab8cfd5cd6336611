// SPDX-License-Identifier: GPL-3.0-or-later

/// Detects a module that its own runs trigger repeatedly (G10), for example by a path that its
/// check reads or a line that its response logs.
///
/// No event says who caused it, so time decides: an event that happened while a run of the module
/// was under way is an echo. One further run because of echoes alone is usual, since a response
/// changes the things that are watched. If echoes alone cause run after run, the pauses between
/// them grow. An event that happens in such a pause comes from elsewhere and ends it at once.
struct SelfTriggerDetector: Sendable {
    /// How long after a run its effects may still arrive as events.
    static let lag = Duration.milliseconds(50)
    /// How many runs in a row echoes alone may cause before the pauses grow.
    static let toleratedMax = 1
    /// The module is reported after so many: by then a pause has passed in which nothing else
    /// happened.
    static let toldCount = 5
    /// The base of a growing pause, where the cooldown is shorter.
    private static let pauseMin = Duration.milliseconds(100)

    private struct Span {
        var start: Instant
        var end: Instant?

        func contains(_ time: Instant) -> Bool {
            guard start <= time else { return false }
            return end.map { time <= $0 + SelfTriggerDetector.lag } ?? true
        }
    }

    /// The latest run and the one before, since journal entries may be read late.
    private var latest: Span?
    private var former: Span?
    /// How many runs in a row echoes alone have caused.
    private(set) var count = 0
    private var isTold = false
    /// Before this time, echoes alone do not start a run.
    private(set) var quietUntil: Instant

    init(at now: Instant) {
        quietUntil = now
    }

    mutating func beginRun(at now: Instant) {
        former = latest
        latest = Span(start: now)
    }

    /// Classifies an event by its time, and resets `count` if it came from elsewhere.
    ///
    /// - Returns: whether one of the two latest runs seems to have caused it.
    mutating func classify(_ event: TriggerEvent) -> Bool {
        let time = Instant(nanoseconds: event.readAt.nanoseconds - event.age.nanoseconds)
        let spans = [latest, former].compactMap(\.self)
        let isEcho = !event.isForeign && spans.contains { $0.contains(time) }
        if !isEcho { count = 0 }
        return isEcho
    }

    /// Ends a run that did not serve its events, or that could not be started.
    mutating func endRun(at now: Instant) {
        latest?.end = now
    }

    /// Ends a run that has served its events.
    ///
    /// - Parameters:
    ///   - wasEcho: whether echoes alone caused the run.
    ///   - cooldown: the shortest time until the next triggered run.
    ///   - longest: the upper bound of the pauses.
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

    /// Decides whether to report the echoes now.
    ///
    /// - Returns: true once, when `count` has reached `toldCount`.
    mutating func passTelling() -> Bool {
        guard count >= Self.toldCount, !isTold else { return false }
        isTold = true
        return true
    }

    /// Forgets all echoes: the module's files have changed, and may no longer cause any.
    mutating func forget(at now: Instant) {
        (count, isTold) = (0, false)
        quietUntil = min(quietUntil, now)
    }
}
