// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc

/// A listener's path trigger, and where in the file system it currently leads.
final class PathTarget {
    let listener: PathListener
    let trigger: PathTrigger
    let path: [UInt8]
    private let include: [Pattern]
    private let exclude: [Pattern]

    /// The names that lead to the target: a change of any of them may lead it elsewhere.
    var way: [PathNode] = []
    /// The target's own names: the last one of the path and, if that is a link, the last one of the
    /// link's target.
    var finals: [PathNode] = []
    /// The node at its path; nil while that is missing.
    var node: PathNode?
    var isDirectory = false
    /// The watch on `node`; nil while there is none.
    var watched: Inotify.WatchDescriptor?
    /// Why it waits to be resolved.
    enum Deferral {
        case none
        /// Records were dropped, and may have concerned it.
        case overflowed
        case changed
    }

    var deferral = Deferral.none
    /// The target's own name is missing, as far as the records show.
    var isAwaited = true
    /// Why something on its path, or below it, is not watched.
    var fault: String?
    /// Its listener's share of the inotify watches.
    let share: WatchShare
    /// The mount point at or above the target whose file system may stall.
    var border: PathNode?
    /// The border appeared while the target was watched, so files found beyond it are news.
    var isBorderNew = false
    /// Mount points that may stall in its tree, and whether files found there are news.
    var stallingBranches: [[UInt8]: Bool] = [:]
    /// The file system that contains it, if inotify(7) does not report all changes there.
    var hidingFileSystem: FileSystemType?

    init(_ trigger: PathTrigger, of listener: PathListener, share: WatchShare) {
        self.listener = listener
        self.share = share
        self.trigger = trigger
        path = Array(trigger.path.utf8)
        include = trigger.include.map(Pattern.init)
        exclude = trigger.exclude.map(Pattern.init)
    }

    // MARK: The events it needs

    var isRecursive: Bool { trigger.isRecursive }

    /// The events that the kernel must report for a directory that belongs to the target.
    var eventsOfDirectory: PathEvents {
        if isRecursive { return trigger.events.union(.ofNames) }
        // Both halves of a rename, and never an empty set, which the kernel refuses.
        let halves: PathEvents = trigger.events.contains(.movedTo) ? .movedFrom : []
        return trigger.events.union(halves).union(.deleteSelf)
    }

    /// The events that the kernel must report for a target that is a file. Its directory reports
    /// changes of its name.
    var eventsOfFile: PathEvents {
        trigger.events.intersection(.ofContent).union(.deleteSelf)
    }

    /// Whether any of its events report that something appeared.
    var awaitsArrivals: Bool { !trigger.events.subtracting(.departures).isEmpty }
    var awaitsDepartures: Bool { !trigger.events.isDisjoint(with: .departures) }

    /// Returns whether events of this name in its directories count.
    func counts(_ name: UnsafePointer<CChar>, isDirectory: Bool) -> Bool {
        if excludes(name) { return false }
        return isDirectory || include.isEmpty || include.contains { $0.matches(name) }
    }

    func excludes(_ name: UnsafePointer<CChar>) -> Bool {
        exclude.contains { $0.matches(name) }
    }

    /// A glob for fnmatch(3).
    private struct Pattern {
        private let text: [CChar]

        init(_ glob: Glob) {
            text = Array(glob.pattern.utf8CString)
        }

        func matches(_ name: UnsafePointer<CChar>) -> Bool { fnmatch(text, name, 0) == 0 }
    }
}

extension [PathTarget] {
    mutating func removeFirst(_ target: PathTarget) {
        if let index = firstIndex(where: { $0 === target }) { remove(at: index) }
    }
}
