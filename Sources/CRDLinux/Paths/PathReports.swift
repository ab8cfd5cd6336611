// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import DequeModule

/// What the listeners are told about their paths: events, and whether they are deaf.
final class PathReports {
    /// A report of the turn.
    private enum Entry {
        case event(PathEvent, PathListener)
        case report(PathReport, PathListener)
        /// An event that newer ones have displaced.
        case dropped
    }

    /// The reports of the turn so far.
    private var outbox: [Entry] = []
    /// The events in it, by listener.
    private var crowds: [PathListener: Crowd] = [:]
    /// When the turn's first event was read, also in nanoseconds since 1970.
    private var time: (instant: Instant, nanoseconds: Int64)?
    /// The listeners and paths that the current cause has triggered already.
    private var triggered: [(listener: PathListener, path: [UInt8])] = []
    /// The listeners reported as deaf, with the reason.
    private var deaf: [PathListener: String] = [:]
    /// Why paths left to other watchers cannot be watched there, by listener and mount point.
    private var stalls: [PathListener: [[UInt8]: String]] = [:]
    /// The listeners' deafness may have changed and is not reported yet.
    var isUnsettled = false

    // MARK: Events

    /// A listener's events of the turn: the newest ones, at least as many as a run gets. All others
    /// are only counted. A user can make ten thousand changes with the longest of paths, and must not
    /// keep those waiting whose changes come after them in the kernel's queue (G15).
    private struct Crowd {
        var dropped = 0
        private var places = Deque<(place: Int, size: Int)>()
        private var size = 0
        /// How many bytes of the newest have been encoded.
        var encoded = 0

        /// Adds an event, which takes more bytes as JSON than its paths.
        ///
        /// - Parameter place: in the outbox.
        /// - Returns: the events that have no room any more.
        mutating func add(_ event: PathEvent, at place: Int) -> [Int] {
            let eventSize = event.path.count + (event.from?.count ?? 0)
            places.append((place, eventSize))
            size += eventSize
            var displaced: [Int] = []
            while places.count > PendingEvents.countMax || size > PendingEvents.sizeMax,
                places.count > 1, let oldest = places.popFirst()
            {
                size -= oldest.size
                dropped += 1
                displaced.append(oldest.place)
            }
            return displaced
        }
    }

    /// Begins a record or another cause, of which each listener hears once for each path.
    func beginCause() {
        triggered.removeAll(keepingCapacity: true)
    }

    /// Whether the current cause has triggered anything.
    var hasTriggered: Bool { !triggered.isEmpty }

    /// Reports a name in one of the target's directories, or that directory itself.
    func tell(
        _ target: PathTarget, at node: PathNode, _ name: UnsafePointer<CChar>?,
        _ events: PathEvents, isDirectory: Bool, from: [UInt8]? = nil
    ) {
        guard !events.isEmpty, let top = target.node else { return }
        var path = target.path
        if node !== top { path += node.path(from: top) }
        if let name { path.append(name) }
        tell(
            target, path, events, isDirectory: isDirectory,
            from: from.map { shown($0, to: target) })
    }

    /// Reports a path, written as in the target's trigger.
    func tell(
        _ target: PathTarget, _ path: [UInt8], _ events: PathEvents, isDirectory: Bool,
        from: [UInt8]? = nil
    ) {
        guard !events.isEmpty,
            !triggered.contains(where: { $0.listener == target.listener && $0.path == path })
        else { return }
        triggered.append((target.listener, path))
        var event = PathEvent(path: path, events, isDirectory: isDirectory)
        event.from = from
        emit(event, to: target)
    }

    /// Tells each listener of these targets that something may have happened that no record tells.
    func tellUnknownChange(to targets: [PathTarget]) {
        var told: Set<PathListener> = []
        for target in targets where told.insert(target.listener).inserted {
            var event = PathEvent(path: target.path, [])
            event.isDirectory = target.isDirectory
            event.isOverflow = true
            emit(event, to: target)
        }
    }

    private func emit(_ event: PathEvent, to target: PathTarget) {
        time = time ?? (Clock.now, Clock.realtimeNanoseconds)
        let displaced = crowds[target.listener, default: Crowd()].add(event, at: outbox.count)
        for place in displaced { outbox[place] = .dropped }
        outbox.append(.event(event, target.listener))
    }

    /// Returns a path as the target's trigger has it, which may be through a link.
    func shown(_ path: [UInt8], to target: PathTarget) -> [UInt8] {
        guard let top = target.node?.path(), top != target.path, path.starts(with: top) else {
            return path
        }
        return target.path + path.dropFirst(top.count)
    }

    /// Returns the reports of the turn, which ends here.
    func take() -> [(listener: PathListener, report: PathReport)] {
        defer { (outbox, crowds, time) = ([], [:], nil) }
        if outbox.isEmpty { return [] }
        let time = time ?? (Clock.now, 0)
        let text = Timestamp.rfc3339(nanosecondsSince1970: time.nanoseconds)
        var reports: [(listener: PathListener, report: PathReport)] = []
        // The newest first, since a run gets no older ones beyond its limit.
        for entry in outbox.reversed() {
            switch entry {
            case .report(let report, let listener): reports.append((listener, report))
            case .event(let event, let listener):
                guard crowds[listener, default: Crowd()].encoded < PendingEvents.sizeMax else {
                    crowds[listener]?.dropped += 1
                    continue
                }
                let made = event.triggerEvent(at: text, readAt: time.instant)
                crowds[listener]?.encoded += made.line.count
                reports.append((listener, .happened(made)))
            case .dropped: continue
            }
        }
        reports.reverse()
        if crowds.values.contains(where: { $0.dropped > 0 }) { countDropped(in: &reports) }
        return reports
    }

    /// Adds to each listener's first event how many events before it were dropped.
    private func countDropped(
        in reports: inout [(listener: PathListener, report: PathReport)]
    ) {
        for (place, (listener, report)) in reports.enumerated() {
            guard case .happened(var event) = report, let dropped = crowds[listener]?.dropped,
                dropped > 0
            else { continue }
            event.dropped = dropped
            crowds[listener]?.dropped = 0
            reports[place].report = .happened(event)
        }
    }

    // MARK: Deafness

    /// Records why the listener's triggers on a mount cannot be watched elsewhere; nil if they can.
    ///
    /// - Returns: whether that is news.
    func recordStall(_ reason: String?, of listener: PathListener, at mountPoint: [UInt8]) -> Bool {
        guard stalls[listener]?[mountPoint] != reason else { return false }
        stalls[listener, default: [:]][mountPoint] = reason
        if stalls[listener]?.isEmpty == true { stalls[listener] = nil }
        isUnsettled = true
        return true
    }

    /// Forgets a listener without targets, such as a module whose number may soon be reused.
    func forget(_ listener: PathListener) {
        stalls[listener] = nil
        if deaf.removeValue(forKey: listener) != nil { outbox.append(.report(.rearmed, listener)) }
    }

    /// Reports listeners that became deaf or deaf for another reason, and those that recovered.
    ///
    /// - Parameter isScanned: false while the rest of a scan may still end a listener's deafness.
    func settleHearing(of targets: some Sequence<PathTarget>, isScanned: Bool) {
        isUnsettled = !isScanned
        let reasons = reasonsOfDeafness(of: targets)
        for (listener, reason) in reasons.sorted(by: { $0.key < $1.key })
        where deaf[listener] != reason {
            deaf[listener] = reason
            outbox.append(.report(.deafened(reason: reason), listener))
        }
        guard isScanned else { return }
        for listener in deaf.keys.filter({ reasons[$0] == nil }).sorted() {
            deaf[listener] = nil
            outbox.append(.report(.rearmed, listener))
        }
    }

    /// Returns the reasons by listener: one failed watch, all stalled mounts, or else one file
    /// system that hides changes.
    private func reasonsOfDeafness(
        of targets: some Sequence<PathTarget>
    ) -> [PathListener: String] {
        var faults: [PathListener: String] = [:]
        var hidden: [PathListener: String] = [:]
        for target in targets {
            if let fault = target.fault, faults[target.listener] == nil {
                faults[target.listener] = fault
            }
            if let type = target.hidingFileSystem, hidden[target.listener] == nil {
                hidden[target.listener] = type.silence(at: target.trigger.path)
            }
        }
        var reasons = faults
        for (listener, stalls) in stalls {
            for (_, reason) in stalls.sorted(by: { $0.value < $1.value }) {
                reasons[listener] = reasons[listener].map { "\($0); \(reason)" } ?? reason
            }
        }
        return reasons.merging(hidden) { first, _ in first }
    }
}

extension FileSystemType {
    /// Explains why a trigger on this file system is not enough.
    public func silence(at path: String) -> String {
        "inotify(7) does not report all changes on \(name), where '\(path)' lies"
    }
}
