// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Logging
import SystemPackage

/// Says when to look at the journal: `journal-wake` in crd.conf.
final class JournalAlarm {
    /// More entries than that in one look are a storm: then the bell is not armed, which would cost
    /// journald time, but the next look comes soon.
    private static let stormMin = 8
    private static let stormPause = Duration.milliseconds(2)
    /// How often to look, where journald announces new entries, whether there is a journald.
    private static let announcedPeriod = Duration.seconds(5)
    /// How soon, at first and at last, journald is looked for again after it has ended.
    private static let searchPause = Duration.milliseconds(100)...Duration.seconds(5)

    private let reactor: Reactor
    private let logger: Logger
    private let wake: JournalWake
    private let ring: (inout [Event]) -> Void
    private var timer: TimerSource?
    private var timerToken: Reactor.Token?
    private var bell: JournalDoorbell?
    private var tokens: [Reactor.Token] = []
    /// Rings yet to come would add up.
    private var isArmed = false
    private var isStorm = false
    private var searchAt: Instant?
    private var search = searchPause.lowerBound
    private var hasTold = false

    /// - Parameter ring: looks.
    init(
        _ wake: JournalWake, reactor: Reactor, logger: Logger,
        ring: @escaping (inout [Event]) -> Void
    ) {
        self.wake = wake
        self.reactor = reactor
        self.logger = logger
        self.ring = ring
    }

    /// How new entries are noticed just now, as `crd list --json` shows it.
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

    /// Rings no more.
    func end() {
        for token in tokens + [timerToken].compactMap(\.self) { reactor.remove(token) }
        (tokens, timerToken, timer, bell) = ([], nil, nil, nil)
    }

    /// A look begins: from now on every entry rings.
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

    /// A look has come to the end of the journal.
    ///
    /// - Parameter deadline: when to look again though nothing rings.
    /// - Returns: whether to look again at once, the bell being armed only now.
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
            // What it hangs at ends when journald is started again.
            let watch = try ProcessSource(journald) { [weak self] events in
                self?.lose(nil)
                self?.ring(&events)
            }
            tokens = [try reactor.add(bell), try reactor.add(watch)]
            self.bell = bell
            searchAt = nil
            search = Self.searchPause.lowerBound
            logger.info("the doorbell hangs at journald, process \(journald)")
        } catch {
            lose("\(error)")
            // Not ours to have, or not in this kernel: that does not change.
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
