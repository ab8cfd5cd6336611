// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import Glibc
import SystemPackage

/// New journal entries, from one handle for all modules (sd-journal(3)).
///
/// The journal is read from a position on, entry by entry. The source reports entries that match a
/// trigger, and then how far it has read. Its descriptor reports added and removed files. It
/// reports new entries late, so the caller must say when to look.
public final class JournalSource: BackloggedSource {
    /// A module, its triggers, and where it begins.
    public struct Listener {
        public let module: ModuleID
        public let triggers: [JournalTrigger]
        public var start: JournalPosition

        public init(module: ModuleID, triggers: [JournalTrigger], start: JournalPosition) {
            self.module = module
            self.triggers = triggers
            self.start = start
        }
    }

    /// Lines that count as matches because a pattern gave no answer: it was aborted, was suspended,
    /// or saw only the beginning of a line.
    public struct Exceeded {
        public internal(set) var count = 0
        /// The module, pattern and reason of the latest one.
        public internal(set) var module: ModuleID?
        public internal(set) var pattern = ""
        public internal(set) var outcome = Pattern.Outcome.cut
    }

    /// A pattern that is not run for a while, because it took too much time.
    public struct Suspension: Sendable {
        /// The modules that use it; one may occur several times.
        public let modules: [ModuleID]
        public let pattern: String
        public let cause: PatternAllowance.Cause
    }

    /// How long one turn may take, so that paths, signals and children are served in between.
    private static let share = Duration.milliseconds(5)
    /// How many unwanted entries pass between two readings of the clock, which would cost as much as
    /// passing one.
    private static let entriesPerLook = 8
    /// How many bytes of entries one turn may pass on, counted once for each module: making events
    /// of them takes time after the turn.
    private static let sizeShare = 1 << 20
    /// With at most this many values, it is cheaper to let libsystemd skip other entries. Measured:
    /// to skip an entry takes the index 2 µs, libsystemd 1 µs with 4 values, 3 with 8, 8 with 16,
    /// 43 with 256.
    private static let termsMax = 8

    /// A smaller backlog is read entry by entry.
    private static let backlogMin = 1_000

    private let reader: JournalReader
    private let dispatcher: JournalDispatcher
    private let listeners: [Listener]
    private var floors: JournalFloors
    private let roots: JournalRoots
    /// Whether libsystemd notices new files by itself.
    private let isWatched: Bool
    /// libsystemd skips unwanted entries before this entry; nil where the index selects.
    ///
    /// Only for entries written long ago. journald counts an entry in the file's header before it
    /// adds it to the lists of its fields' values, in which libsystemd looks for matches. A read in
    /// between finds nothing, and libsystemd remembers that until something else is logged. The
    /// file's own list, which is used without matches, is complete before the count is.
    private var selectedUntil: JournalCursor?
    /// How many entries have been read.
    private var order: Int64
    /// The position up to which everything is reported.
    public private(set) var position: JournalPosition
    private var hasToldEnd = false
    /// An entry was finished since the position was last reported.
    private var hasMoved = false
    public private(set) var hasBacklog = true
    private var isPaused = false
    /// Files changed since `isStale` last checked that they can be read.
    private var haveFilesChanged = false
    /// The directories that journald writes to, and what was last seen of them.
    private let directories = JournalRoots.machineDirectories.map { FilePath($0) }
    private var seen: [FileStatus] = []
    /// Whether the kernel names the inodes of watched directories as stat(2) does.
    private var areWatchesKnown = false
    /// The position's entry was gone, so that reading began by time.
    public let isPositionLost: Bool
    /// Called before each look: entries written from then on must lead to another.
    public var beforeLook: () -> Void = {}
    /// Called after each look that reached the end, with the number of entries it read.
    public var afterLook: (Int, inout [Event]) throws(SystemCallError) -> Void = { _, _ in }

    /// Opens the journal at the earliest start of the listeners.
    ///
    /// - Parameters:
    ///   - order: how many entries were read so far, for the positions of later ones.
    ///   - own: the entries to skip.
    /// - Throws: `SystemCallError`; `Unreadable` if there is no journal, or none that may be read.
    public init(_ listeners: [Listener], order: Int64, own: OwnEntries) throws {
        precondition(!listeners.isEmpty)
        if let objection = JournalOutage.objection() { throw Unreadable(description: objection) }
        self.listeners = listeners
        reader = try JournalReader()
        let watched = Inotify.watchedInodes(reader.descriptor)
        isWatched = watched?.isEmpty != true
        roots = JournalRoots(includingFiles: !isWatched)
        dispatcher = try JournalDispatcher(listeners, own: own)
        let first = listeners.map(\.start).reduce(listeners[0].start) {
            $1.reachesBack(to: $0) ? $1 : $0
        }
        // An entry that is read again keeps its number.
        let isNew = first.order == JournalPosition.last
        self.order = isNew ? order : first.order - (first.isInclusive ? 1 : 0)
        position = first
        position.order = isNew ? order : first.order
        floors = try JournalFloors(listeners.map(\.start), besides: first, in: reader)
        isPositionLost = try !reader.stand(before: first)
        try select(listeners.flatMap(\.triggers), from: first)
        seen = directories.compactMap { FileStatus(of: $0) }
        areWatchesKnown = isWatched && Self.areWatched(seen, by: watched)
    }

    /// There is no readable journal; the description says what to do.
    public struct Unreadable: Error, CustomStringConvertible {
        public let description: String
    }

    public var descriptor: CInt { reader.descriptor }
    public var exceeded: Exceeded { dispatcher.exceeded }

    /// Returns the patterns suspended since the last call.
    public func takeSuspensions() -> [Suspension] { dispatcher.takeSuspensions() }

    /// Returns the current end of the journal; by time if it is empty or cannot be read.
    public static func end() -> JournalPosition {
        if let reader = try? JournalReader(), (try? reader.goToEnd()) == true,
            let end = try? reader.position(order: JournalPosition.last, isInclusive: false)
        {
            return end
        }
        return JournalPosition(
            cursor: "", time: Clock.realtimeNanoseconds / 1_000,
            bootID: JournalReader.currentBootID(), monotonic: Clock.monotonicMicroseconds,
            order: JournalPosition.last)
    }

    /// The listeners to continue with, should this source fail.
    public var resumption: [Listener] {
        listeners.enumerated().map { place, listener in
            var listener = listener
            if floors.isOpen[place] { listener.start = position }
            return listener
        }
    }

    /// Begins no other entry until `resume`; the current one is finished in turns. It may take many:
    /// each of hundreds of patterns may take a turn.
    ///
    /// - Returns: whether no entry is under way.
    public func pause() -> Bool {
        isPaused = true
        return dispatcher.isDone
    }

    public func resume() { isPaused = false }

    /// Returns whether the journal must be reopened: libsystemd has missed that directories came or
    /// went, or it silently skips a file that we may not read.
    public func isStale() throws(SystemCallError) -> Bool {
        if JournalRoots(includingFiles: !isWatched) != roots { return true }
        if try hasLostDirectory() { return true }
        guard haveFilesChanged else { return false }
        haveFilesChanged = false
        return JournalOutage.refusal() != nil
    }

    /// Returns whether there is a directory that libsystemd does not watch. That happens where a
    /// directory was removed and made anew while a process had it open: libsystemd is told of the
    /// new one first, takes it for the old one, and forgets both when that is gone for good.
    private func hasLostDirectory() throws(SystemCallError) -> Bool {
        guard areWatchesKnown else { return false }
        let there = directories.compactMap { FileStatus(of: $0) }
        guard there != seen else { return false }
        seen = there
        let descriptor = reader.descriptor
        if Self.areWatched(there, by: Inotify.watchedInodes(descriptor)) { return false }
        // It may just not have been told yet.
        try processFiles()
        hasBacklog = true
        return !Self.areWatched(there, by: Inotify.watchedInodes(descriptor))
    }

    /// - Parameter inodes: nil where they cannot be found out.
    private static func areWatched(_ directories: [FileStatus], by inodes: Set<UInt64>?) -> Bool {
        guard let inodes else { return true }
        return directories.allSatisfy { inodes.contains($0.inode) }
    }

    /// Returns whether some process writes this journal; nil where that cannot be found out.
    public static func isWritten() -> Bool? { JournalRoots.isWritten() }

    /// Returns why no process does, with the remedy.
    public static func silence() -> String { JournalOutage.silence() }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        try processFiles()
        try readShare(into: &events)
    }

    private func processFiles() throws(SystemCallError) {
        try reader.process()
        haveFilesChanged = true
    }

    /// Reads the available entries, at most one turn's share.
    public func readShare(into events: inout [Event]) throws(SystemCallError) {
        beforeLook()
        let told = events.count
        let count: Int
        do throws(SystemCallError) {
            count = try read(into: &events)
        } catch {
            // Without the position that follows, all of it would be reported again and counted
            // twice.
            events.removeSubrange(told...)
            throw error
        }
        if !hasBacklog { try afterLook(count, &events) }
    }

    // MARK: Skipping entries

    /// Lets libsystemd skip unwanted entries, up to the one that is now the last.
    private func select(
        _ triggers: [JournalTrigger], from first: JournalPosition
    ) throws(SystemCallError) {
        let matches = triggers.map(\.match)
        let terms = matches.joined().map(\.values.count).reduce(0, +)
        // Not while a listener waits for its start, whose entry might be skipped.
        guard floors.isEmpty, terms <= Self.termsMax,
            triggers.allSatisfy({ !$0.match.isEmpty && $0.units == nil })
        else { return }
        var end: JournalPosition?
        if try reader.goToEnd() { end = try reader.position(order: order, isInclusive: true) }
        _ = try reader.stand(before: first)
        guard let end, Self.isWorthIt(from: first, to: end) else { return }
        try reader.stop(onlyAt: matches)
        selectedUntil = JournalCursor(end.cursor)
    }

    /// Returns whether there is a backlog, and one that takes long to read.
    private static func isWorthIt(from first: JournalPosition, to end: JournalPosition) -> Bool {
        guard isBefore(first, end) else { return false }
        let count = JournalCursor(first.cursor).count(to: JournalCursor(end.cursor))
        return count.map { $0 >= backlogMin } ?? true
    }

    private static func isBefore(_ first: JournalPosition, _ end: JournalPosition) -> Bool {
        if !first.cursor.isEmpty { return JournalCursor(first.cursor) < JournalCursor(end.cursor) }
        return first.bootID == end.bootID
            ? first.monotonic < end.monotonic : first.time < end.time
    }

    /// Moves to the next entry that may be wanted.
    private func next() throws(SystemCallError) -> Bool {
        let isThere = try reader.next()
        guard let end = selectedUntil else { return isThere }
        if isThere, JournalCursor(try reader.cursor()) < end { return true }
        // The entry that was the last then may have been half written.
        selectedUntil = nil
        reader.stopEverywhere()
        try reader.seek(end.text)
        return try reader.next()
    }

    // MARK: Reading

    /// Reads entries for one turn.
    ///
    /// - Returns: how many entries were read.
    private func read(into events: inout [Event]) throws(SystemCallError) -> Int {
        let end = Clock.now + Self.share
        let handedOnMax = dispatcher.handedOn + Self.sizeShare
        var count = 0
        hasBacklog = true
        while !(isPaused && dispatcher.isDone) {
            if dispatcher.isDone {
                let (passed, isEnd) = try step()
                count += passed
                guard !isEnd else {
                    hasBacklog = false
                    break
                }
            } else {
                try dispatcher.askNext(in: reader, floors, order: order, into: &events)
                if dispatcher.isDone { try passEntry() }
            }
            if Clock.now > end || dispatcher.handedOn > handedOnMax { break }
        }
        hasMoved = hasMoved || count > 0
        try tellPosition(into: &events)
        return count
    }

    /// Moves to the next entry, past unwanted ones where those are known.
    private func step() throws(SystemCallError) -> (passed: Int, isEnd: Bool) {
        guard floors.isEmpty, selectedUntil == nil, let wanted = dispatcher.wanted else {
            guard try next() else { return (0, true) }
            order += 1
            try begin()
            return (1, false)
        }
        let (passed, stop) = try reader.skip(to: wanted, max: Self.entriesPerLook)
        order += Int64(passed)
        if case .found = stop { try begin() }
        if case .end = stop { return (passed, true) }
        return (passed, false)
    }

    private func begin() throws(SystemCallError) {
        if !floors.isEmpty { floors.reach(try reader.position(order: order, isInclusive: true)) }
        dispatcher.begin(in: reader)
        if dispatcher.isDone { try passEntry() }
    }

    private func passEntry() throws(SystemCallError) {
        hasMoved = true
        if !floors.isEmpty { floors.pass(try reader.cursor()) }
    }

    private func tellPosition(into events: inout [Event]) throws(SystemCallError) {
        if !hasBacklog { floors.openAll() }
        guard hasMoved || (!hasBacklog && !hasToldEnd) else { return }
        if hasMoved {
            hasMoved = false
            position = try reader.position(order: order, isInclusive: !dispatcher.isDone)
        }
        // A module that has counted the current entry must not be stored with a position before it.
        guard dispatcher.isDone else { return }
        if !hasBacklog { hasToldEnd = true }
        events.append(.journalRead(position, isAtEnd: !hasBacklog))
    }
}
