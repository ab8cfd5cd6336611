// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc

/// A module's path trigger, and where in the file system it leads at the moment.
final class PathTarget {
    let module: ModuleID
    let trigger: PathTrigger
    let path: [UInt8]
    private let include: [Pattern]
    private let exclude: [Pattern]

    /// The names that lead to it: whatever happens to one of them may lead it elsewhere.
    var way: [PathNode] = []
    /// Those that are its own: the last one and, if that is a link, the last one of what it
    /// points to.
    var finals: [PathNode] = []
    /// What is at its path; nil while that is missing.
    var node: PathNode?
    var isDirectory = false
    /// The watch on that; nil while there is none.
    var watched: Inotify.WatchDescriptor?
    /// Its own name has gone and not come again, as far as the records go.
    var isAwaited = true
    /// Why something on its way, or below it, is not watched.
    var fault: String?
    /// Of the watches that its module's triggers may take.
    let share: WatchShare
    /// The mount point that it lies at or below, whose file system may stall.
    var border: PathNode?
    /// It came to lie there while it was watched, so that what is found there is news.
    var isBorderNew = false
    /// Such mount points in its tree, and whether what is found there is news.
    var stallingBranches: [[UInt8]: Bool] = [:]
    /// What it lies in, if changes there are hidden from inotify(7).
    var hidingFileSystem: FileSystemType?

    init(_ trigger: PathTrigger, of module: ModuleID, share: WatchShare) {
        self.module = module
        self.share = share
        self.trigger = trigger
        path = Array(trigger.path.utf8)
        include = trigger.include.map(Pattern.init)
        exclude = trigger.exclude.map(Pattern.init)
    }

    // MARK: What it waits for

    var isRecursive: Bool { trigger.isRecursive }

    /// What the kernel must tell of a directory that belongs to it.
    var eventsOfDirectory: PathEvents {
        if isRecursive { return trigger.events.union(.ofNames) }
        // The other half of a rename, and at least something: an empty set is refused.
        let halves: PathEvents = trigger.events.contains(.movedTo) ? .movedFrom : []
        return trigger.events.union(halves).union(.deleteSelf)
    }

    /// What the kernel must tell of the file it is. Of what happens to a file's name, its directory
    /// tells.
    var eventsOfFile: PathEvents {
        trigger.events.intersection(.ofContent).union(.deleteSelf)
    }

    /// Whether it would have seen what comes to be there.
    var awaitsArrivals: Bool { !trigger.events.subtracting(.departures).isEmpty }
    var awaitsDepartures: Bool { !trigger.events.isDisjoint(with: .departures) }

    /// Whether the events of something with this name in its directories count.
    func counts(_ name: UnsafePointer<CChar>, isDirectory: Bool) -> Bool {
        if excludes(name) { return false }
        return isDirectory || include.isEmpty || include.contains { $0.matches(name) }
    }

    func excludes(_ name: UnsafePointer<CChar>) -> Bool {
        exclude.contains { $0.matches(name) }
    }

    /// A glob as fnmatch(3) takes it.
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
