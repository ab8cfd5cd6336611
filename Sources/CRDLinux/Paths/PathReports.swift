// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// What the listeners are told about their paths: events, and whether they are deaf.
final class PathReports {
    /// The reports of the turn so far.
    private var outbox: [(listener: PathListener, report: PathReport)] = []
    /// The time of the turn, read on first use.
    private var time: (instant: Instant, text: String)?
    /// The listeners and paths that the current cause has triggered already.
    private var triggered: [(listener: PathListener, path: [UInt8])] = []
    /// The listeners reported as deaf, with the reason.
    private var deaf: [PathListener: String] = [:]
    /// Why paths left to other watchers cannot be watched there, by listener and mount point.
    private var stalls: [PathListener: [[UInt8]: String]] = [:]
    /// The listeners' deafness may have changed and is not reported yet.
    var isUnsettled = false

    // MARK: Events

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
        let time =
            time
            ?? (Clock.now, Timestamp.rfc3339(nanosecondsSince1970: Clock.realtimeNanoseconds))
        self.time = time
        outbox.append(
            (
                target.listener,
                .happened(event.triggerEvent(at: time.text, readAt: time.instant))
            ))
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
        defer { outbox = [] }
        time = nil
        return outbox
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
        if deaf.removeValue(forKey: listener) != nil { outbox.append((listener, .rearmed)) }
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
            outbox.append((listener, .deafened(reason: reason)))
        }
        guard isScanned else { return }
        for listener in deaf.keys.filter({ reasons[$0] == nil }).sorted() {
            deaf[listener] = nil
            outbox.append((listener, .rearmed))
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
