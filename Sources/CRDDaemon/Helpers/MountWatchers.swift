// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc

/// The watchers of the mounts that may stall, as many as there are places (G15).
final class MountWatchers {
    /// A report about triggers on a mount; without a mount point it concerns several mounts.
    typealias Report = (mountPoint: [UInt8], report: MountWatcher.Report)

    private let helpers: HelperProcess.Roll
    private let user = geteuid()
    private var watchers: [[UInt8]: MountWatcher] = [:]
    private var places = MountPlaces()
    private var stuck: Set<[UInt8]> = []
    private var hasFreed = false
    /// Listeners with mounts that are not watched, and two of these mounts that their reasons name.
    private var refusals: [PathListener: Refusal] = [:]
    private var reports: [Report] = []

    init(_ helpers: HelperProcess.Roll) {
        self.helpers = helpers
    }

    // MARK: What they report

    var deadline: Instant? { watchers.values.compactMap(\.deadline).min() }

    func passDeadlines() {
        guard !watchers.isEmpty else { return }
        let now = Clock.now
        for watcher in watchers.values { watcher.passDeadline(at: now) }
    }

    /// Returns the reports since the last call.
    func takeReports() -> [Report] {
        defer { reports = [] }
        return reports
    }

    func missingPath(of listener: PathListener) -> String? {
        watchers.values.lazy.compactMap { $0.missingPath(of: listener) }.min()
    }

    // MARK: What they watch

    /// Retries the listener's failed watches.
    func rearm(_ listener: PathListener) {
        for watcher in watchers.values { watcher.rearm(listener) }
    }

    /// Lets go of watchers whose helpers have ended.
    ///
    /// - Returns: whether a mount that waits may get a place now, by `watch`.
    func release() -> Bool {
        for (mountPoint, watcher) in watchers where watcher.isIdle {
            watchers[mountPoint] = nil
            places.free(mountPoint)
            hasFreed = true
        }
        let stuck = Set(watchers.filter { $0.value.isStuck }.keys)
        return places.isShort && (hasFreed || stuck != self.stuck)
    }

    /// Replaces the triggers; true if files found there are news.
    func watch(_ triggers: [StallingTrigger: Bool]) {
        stuck = Set(watchers.filter { $0.value.isStuck }.keys)
        hasFreed = false
        let open = triggers.filter { !$0.key.type.isClosed(to: user) }
        var claims: [MountPlaces.Claim: Bool] = [:]
        for trigger in open.keys {
            claims[trigger.claim] = trigger.isNamed || claims[trigger.claim] == true
        }
        let met = places.assign(claims, stuck: stuck)
        let byMount = Dictionary(grouping: open.filter { met.contains($0.key.claim) }) {
            $0.key.mountPoint
        }
        for (mountPoint, watcher) in watchers where byMount[mountPoint] == nil { watcher.want([:]) }
        for (mountPoint, triggers) in byMount {
            let watcher = watchers[mountPoint] ?? makeWatcher(mountPoint, triggers[0].key.type)
            watcher.want(Dictionary(uniqueKeysWithValues: triggers.map { ($0.key, $0.value) }))
        }
        tellRefusals(triggers.keys.filter { !met.contains($0.claim) })
    }

    private func makeWatcher(_ mountPoint: [UInt8], _ type: FileSystemType) -> MountWatcher {
        let watcher = MountWatcher(mountPoint, type, helpers: helpers) { [unowned self] in
            reports.append((mountPoint, $0))
        }
        watchers[mountPoint] = watcher
        return watcher
    }

    // MARK: What they do not watch

    /// A listener's mounts that are not watched. Its reason names one of each kind, and goes on to
    /// name it while it is there: a user who makes one after the other causes one line of the log.
    private struct Refusal: Equatable {
        var closed: Mount?
        var crowded: Mount?

        struct Mount: Equatable {
            let path: [UInt8]
            let type: FileSystemType

            init(_ trigger: StallingTrigger) {
                path = trigger.mountPoint
                type = trigger.type
            }

            var text: String {
                "'\(PrintableText.of(String(decoding: path, as: UTF8.self)))' (\(type.name))"
            }
        }

        init(_ triggers: [StallingTrigger], to user: UInt32, after former: Refusal?) {
            let (closed, others) = triggers.reduce(into: ([Mount](), [Mount]())) {
                if $1.type.isClosed(to: user) {
                    $0.0.append(Mount($1))
                } else {
                    $0.1.append(Mount($1))
                }
            }
            self.closed = Self.choose(closed, former?.closed)
            crowded = Self.choose(others, former?.crowded)
        }

        private static func choose(_ mounts: [Mount], _ former: Mount?) -> Mount? {
            if let former, mounts.contains(former) { return former }
            return mounts.min { $0.path.lexicographicallyPrecedes($1.path) }
        }

        var reason: String {
            let closed = closed.map {
                "\($0.text) is not watched: it is a mount of the user with uid \($0.type.soleUser ?? 0), closed to all others; exclude it, or have it mounted with allow_other"
            }
            let crowded = crowded.map {
                "\($0.text) is not watched: of mounts that may stall, at most \(MountPlaces.perModuleMax) are watched for a module and \(MountPlaces.total) in all; exclude it, or watch less"
            }
            return [closed, crowded].compactMap(\.self).joined(separator: "; ")
        }
    }

    private func tellRefusals(_ triggers: [StallingTrigger]) {
        let former = refusals
        refusals = [:]
        for (listener, triggers) in Dictionary(grouping: triggers, by: \.listener) {
            refusals[listener] = Refusal(triggers, to: user, after: former[listener])
        }
        let listeners = Set(former.keys).union(refusals.keys).sorted()
        for listener in listeners where refusals[listener] != former[listener] {
            reports.append(([], .fault(listener, refusals[listener]?.reason)))
        }
    }
}

extension StallingTrigger {
    fileprivate var claim: MountPlaces.Claim { .init(listener, mountPoint) }
}
