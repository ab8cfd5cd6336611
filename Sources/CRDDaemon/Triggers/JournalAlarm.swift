// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Logging
import SystemPackage

/// Decides when to look at the journal: `journal-wake` in crd.conf.
final class JournalAlarm {
    /// More entries than this in one look are a storm. During a storm the bell is not armed, since
    /// that would cost journald time; instead the next look comes soon.
    private static let stormMin = 8
    private static let stormPause = Duration.milliseconds(2)
    /// The polling period where journald announces new entries, in case there is no journald.
    private static let announcedPeriod = Duration.seconds(5)
    /// The first and the longest pause before the daemon searches for journald again after its end.
    private static let searchPause = Duration.milliseconds(100)...Duration.seconds(5)

    private let reactor: Reactor
    private let logger: Logger
    private let wake: JournalWake
    private let ring: (inout [Event]) -> Void
    private var timer: TimerSource?
    private var timerToken: Reactor.Token?
    private var bell: JournalDoorbell?
    private var tokens: [Reactor.Token] = []
    /// Whether the bell is armed; arming it again would add another ring.
    private var isArmed = false
    private var isStorm = false
    private var searchAt: Instant?
    private var search = searchPause.lowerBound
    private var hasTold = false

    /// Makes an alarm that is not started yet.
    ///
    /// - Parameter ring: looks at the journal.
    init(
        _ wake: JournalWake, reactor: Reactor, logger: Logger,
        ring: @escaping (inout [Event]) -> Void
    ) {
        self.wake = wake
        self.reactor = reactor
        self.logger = logger
        self.ring = ring
    }

    /// How new entries are noticed now, as `crd list --json` shows it.
    var name: String {
        if wake == .notify { return "notify" }
        return bell != nil ? "doorbell" : "every \(TimeSpan(period))"
    }

    private var period: Duration {
        switch wake {
        case .every(let period): period
        case .notify: Self.announcedPeriod
        case .auto, .doorbell: JournalWake.fallbackPeriod
        }
    }

    private var wantsBell: Bool { wake == .auto || wake == .doorbell }

    func start() throws(SystemCallError) {
        let timer = try TimerSource { [weak self] events in self?.ring(&events) }
        timerToken = try reactor.add(timer)
        self.timer = timer
        hangBell()
    }

    /// Stops ringing.
    func end() {
        for token in tokens + [timerToken].compactMap(\.self) { reactor.remove(token) }
        (tokens, timerToken, timer, bell) = ([], nil, nil, nil)
    }

    /// Arms the bell before a look, so that every later entry rings.
    func arm() {
        if bell == nil, let searchAt, searchAt <= Clock.now { hangBell() }
        guard !isStorm, !isArmed, let bell else { return }
        do throws(SystemCallError) {
            try bell.arm()
            isArmed = true
        } catch {
            lose("\(error)")
        }
    }

    /// Plans the next look after one that has reached the end of the journal.
    ///
    /// - Parameter deadline: when to look again even if nothing rings.
    /// - Returns: whether to look again at once, since the bell was not armed during the storm.
    func settle(after entries: Int, by deadline: Instant?) throws(SystemCallError) -> Bool {
        let wasStorm = isStorm
        isStorm = bell != nil && entries > Self.stormMin
        let pause: Duration? = bell == nil ? period : isStorm ? Self.stormPause : nil
        try timer?.arm([pause.map { Clock.now + $0 }, deadline].compactMap(\.self).min())
        return wasStorm && !isStorm
    }

    // MARK: The bell

    private func hangBell() {
        guard wantsBell else { return }
        do throws(SystemCallError) {
            guard let journald = try Journald.find() else { return searchLater() }
            let bell = try JournalDoorbell(at: journald) { [weak self] events in
                self?.isArmed = false
                self?.ring(&events)
            }
            // The bell is bound to this process, which ends when journald restarts.
            let watch = try ProcessSource(journald) { [weak self] events in
                self?.lose(nil)
                self?.ring(&events)
            }
            tokens = [try reactor.add(bell), try reactor.add(watch)]
            self.bell = bell
            searchAt = nil
            search = Self.searchPause.lowerBound
            logger.info("the doorbell is attached to journald, process \(journald)")
        } catch {
            lose("\(error)")
            // Missing privileges or kernel support do not change, so there is no retry.
            let isFinal: [Errno] = [
                .permissionDenied, .notPermitted, .noFunction, .noSuchFileOrDirectory,
            ]
            if isFinal.contains(error.errno) { searchAt = nil }
        }
    }

    private func lose(_ reason: String?) {
        for token in tokens { reactor.remove(token) }
        tokens = []
        bell = nil
        isArmed = false
        isStorm = false
        searchLater()
        guard let reason, !hasTold else { return }
        hasTold = true
        let level = wake == .doorbell ? Logger.Level.warning : .info
        logger.log(
            level: level,
            "\(reason); so the journal is polled every \(TimeSpan(period)): run crd as root, or with CAP_PERFMON and CAP_SYS_PTRACE, to avoid polling"
        )
    }

    private func searchLater() {
        searchAt = Clock.now + search
        search = min(search * 2, Self.searchPause.upperBound)
    }
}
