// SPDX-License-Identifier: GPL-3.0-or-later

/// The settings of a module that the scheduler needs: the manifest's values, and crd.conf's where
/// the manifest sets none.
public struct Policy: Sendable {
    /// Whether the module takes part in scheduling.
    public enum Standing: Hashable, Sendable {
        case enabled
        case disabled
        /// The module cannot run until its files are fixed and read again.
        case failed(reason: String)
    }

    public var name: ModuleName
    public var standing = Standing.enabled
    /// The time between checks; nil where only triggers cause them.
    public var interval: Duration?
    /// crd.conf's interval, used as the period of a module without an interval.
    public var fallbackInterval: Duration
    public var settle: Duration = .zero
    public var cooldown = Manifest.Cooldown.auto
    public var limit: Manifest.Limit?
    /// The timeout of each role.
    public var timeouts: [Role: Duration] = [:]
    /// The time from SIGTERM to SIGKILL.
    public var grace: Duration
    public var conditionCodes: Set<UInt8> = [0]
    public var clearCodes: Set<UInt8> = [1]
    public var leftovers = Manifest.Leftovers.kill
    public var journal: [JournalTrigger] = []
    /// Whether the module is checked when the daemon starts.
    public var isCheckedAtStart = true

    /// Creates the policy of a module with an empty manifest.
    public init(name: ModuleName, configuration: Configuration) {
        self.init(name: name, manifest: Manifest(), configuration: configuration)
    }

    public init(name: ModuleName, manifest: Manifest, configuration: Configuration) {
        self.name = name
        fallbackInterval = configuration.interval
        switch manifest.interval {
        case .inherited: interval = configuration.interval
        case .every(let period): interval = period
        case .off: interval = nil
        }
        grace = configuration.grace
        settle = manifest.settle
        cooldown = manifest.cooldown
        limit = manifest.limit
        for role in Role.allCases {
            timeouts[role] = manifest.roles[role]?.timeout ?? configuration.timeout
        }
        conditionCodes = manifest.condition
        clearCodes = manifest.clear
        leftovers = manifest.leftovers
        journal = manifest.journal
        // Changes of a path before the start are unknown, so only a check can find them.
        isCheckedAtStart = interval != nil || !manifest.paths.isEmpty
        if !manifest.enabled { standing = .disabled }
    }

    /// The interval, or crd.conf's where the module has none.
    var period: Duration { interval ?? fallbackInterval }

    /// Returns what the end of a check says. Only an exit code of its own says anything (G1).
    func verdict(of check: Termination) -> Verdict {
        switch check {
        case .exited(let code) where conditionCodes.contains(code): .holds
        case .exited(let code) where clearCodes.contains(code): .clear
        case .stopped: .open
        case .exited, .signaled, .timedOut: .error(check)
        }
    }

    /// Returns the shortest time from the end of a run to the next triggered one.
    ///
    /// `auto` limits the checks that a storm of triggers causes to a tenth of the time.
    func cooldown(afterCheckOf taken: Duration) -> Duration {
        switch cooldown {
        case .fixed(let span): span
        case .auto: min(max(.milliseconds(100), taken * 9), period)
        }
    }
}
