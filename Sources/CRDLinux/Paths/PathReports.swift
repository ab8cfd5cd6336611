// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// What the modules are told about their paths: events, and whether they are deaf.
final class PathReports {
    /// The events of the turn so far.
    private var outbox: [Event] = []
    /// The time of the turn, read on first use.
    private var time: (instant: Instant, text: String)?
    /// The modules and paths that the current cause has triggered already.
    private var triggered: [(module: ModuleID, path: [UInt8])] = []
    /// The modules reported as deaf, with the reason.
    private var deaf: [ModuleID: String] = [:]
    /// Why paths left to other watchers cannot be watched there, by module and mount point.
    private var stalls: [ModuleID: [[UInt8]: String]] = [:]
    /// The modules' deafness may have changed and is not reported yet.
    var isUnsettled = false

    // MARK: Events

    /// Begins a record or another cause, of which each module hears once for each path.
    func beginCause() {
        triggered.removeAll(keepingCapacity: true)
    }

    /// Whether the current cause has triggered a module.
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

    /// Reports a path, written as the target's module writes it.
    func tell(
        _ target: PathTarget, _ path: [UInt8], _ events: PathEvents, isDirectory: Bool,
        from: [UInt8]? = nil
    ) {
        guard !events.isEmpty,
            !triggered.contains(where: { $0.module == target.module && $0.path == path })
        else { return }
        triggered.append((target.module, path))
        var event = PathEvent(path: path, events, isDirectory: isDirectory)
        event.from = from
        emit(event, to: target)
    }

    /// Tells each module of these targets that something may have happened that no record tells.
    func tellUnknownChange(to targets: [PathTarget]) {
        var told: Set<ModuleID> = []
        for target in targets where told.insert(target.module).inserted {
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
            .triggered(
                target.module, event.triggerEvent(at: time.text, readAt: time.instant)))
    }

    /// Returns a path as the target's module writes it, which may be through a link.
    func shown(_ path: [UInt8], to target: PathTarget) -> [UInt8] {
        guard let top = target.node?.path(), top != target.path, path.starts(with: top) else {
            return path
        }
        return target.path + path.dropFirst(top.count)
    }

    /// Appends the events of the turn, which ends here.
    func deliver(into events: inout [Event]) {
        events += outbox
        outbox.removeAll(keepingCapacity: true)
        time = nil
    }

    // MARK: Deafness

    /// Records why the module's triggers on a mount cannot be watched elsewhere; nil if they can.
    ///
    /// - Returns: whether that is news.
    func recordStall(_ reason: String?, of module: ModuleID, at mountPoint: [UInt8]) -> Bool {
        guard stalls[module]?[mountPoint] != reason else { return false }
        stalls[module, default: [:]][mountPoint] = reason
        if stalls[module]?.isEmpty == true { stalls[module] = nil }
        isUnsettled = true
        return true
    }

    /// Forgets a module without targets, whose number may soon be reused.
    func forget(_ module: ModuleID) {
        stalls[module] = nil
        if deaf.removeValue(forKey: module) != nil { outbox.append(.rearmed(module, .path)) }
    }

    /// Reports modules that became deaf or deaf for another reason, and those that recovered.
    ///
    /// - Parameter isScanned: false while the rest of a scan may still end a module's deafness.
    func settleHearing(of targets: some Sequence<PathTarget>, isScanned: Bool) {
        isUnsettled = !isScanned
        let reasons = reasonsOfDeafness(of: targets)
        for (module, reason) in reasons.sorted(by: { $0.key.index < $1.key.index })
        where deaf[module] != reason {
            deaf[module] = reason
            outbox.append(.deafened(module, .path, reason: reason))
        }
        guard isScanned else { return }
        let healed = deaf.keys.filter { reasons[$0] == nil }.sorted { $0.index < $1.index }
        for module in healed { deaf[module] = nil }
        outbox += healed.map { .rearmed($0, .path) }
    }

    /// Returns the reasons by module: one failed watch, all stalled mounts, or else one file system
    /// that hides changes.
    private func reasonsOfDeafness(
        of targets: some Sequence<PathTarget>
    ) -> [ModuleID: String] {
        var faults: [ModuleID: String] = [:]
        var hidden: [ModuleID: String] = [:]
        for target in targets {
            if let fault = target.fault, faults[target.module] == nil {
                faults[target.module] = fault
            }
            if let type = target.hidingFileSystem, hidden[target.module] == nil {
                hidden[target.module] = type.silence(at: target.trigger.path)
            }
        }
        var reasons = faults
        for (module, stalls) in stalls {
            for (_, reason) in stalls.sorted(by: { $0.value < $1.value }) {
                reasons[module] = reasons[module].map { "\($0); \(reason)" } ?? reason
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
