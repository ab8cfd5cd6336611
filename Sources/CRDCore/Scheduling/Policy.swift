// SPDX-License-Identifier: GPL-3.0-or-later

/// What the scheduler must know of a module: the manifest, with crd.conf's values where the
/// manifest is silent.
public struct Policy: Sendable {
    /// Whether the module takes part at all.
    public enum Standing: Hashable, Sendable {
        case enabled
        case disabled
        /// It cannot run until its files are repaired and read again.
        case failed(reason: String)
    }

    public var name: ModuleName
    public var standing = Standing.enabled
    /// The time between checks; nil where triggers alone cause them.
    public var interval: Duration?
    /// crd.conf's interval, for what needs a period where the module has none.
    public var fallbackInterval: Duration
    public var settle: Duration = .zero
    public var cooldown = Manifest.Cooldown.auto
    public var limit: Manifest.Limit?
    /// The longest each role may take.
    public var timeouts: [Role: Duration] = [:]
    /// From SIGTERM to SIGKILL.
    public var grace: Duration
    public var conditionCodes: Set<UInt8> = [0]
    public var clearCodes: Set<UInt8> = [1]
    public var leftovers = Manifest.Leftovers.kill
    public var journal: [JournalTrigger] = []
    /// Whether the module is checked when the daemon starts.
    public var isCheckedAtStart = true

    /// The policy of a module whose manifest says nothing.
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
        // What happened to a path before nobody knows.
        isCheckedAtStart = interval != nil || !manifest.paths.isEmpty
        if !manifest.enabled { standing = .disabled }
    }

    /// The interval, or what takes its place where the module has none.
    var period: Duration { interval ?? fallbackInterval }

    /// How long after a run the next triggered one must wait, at the least.
    ///
    /// `auto` keeps a check that a storm triggers busy for no more than a tenth of the time.
    func cooldown(afterCheckOf taken: Duration) -> Duration {
        switch cooldown {
        case .fixed(let span): span
        case .auto: min(max(.milliseconds(100), taken * 9), period)
        }
    }
}
