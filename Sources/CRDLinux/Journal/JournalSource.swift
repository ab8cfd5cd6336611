// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import Glibc

/// New entries of the journal, by one handle for all modules (sd-journal(3)).
///
/// It is read on from a position, entry by entry; what a trigger looks out for is told, and after
/// that how far it has been read. Its descriptor tells of files that come and go; of new entries it
/// tells late, so that somebody else has to say when to look.
public final class JournalSource: BackloggedSource {
    /// A module, what it looks out for, and where it begins.
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

    /// Lines that count as matches because a pattern could not tell: it was given up, was suspended,
    /// or has seen only the beginning of a line.
    public struct Exceeded {
        public internal(set) var count = 0
        /// Of the latest: whose, which, and why.
        public internal(set) var module: ModuleID?
        public internal(set) var pattern = ""
        public internal(set) var outcome = Pattern.Outcome.cut
    }

    /// A pattern that is not run for a while, for it has taken too much time.
    public struct Suspension: Sendable {
        /// Those that use it, one of them perhaps several times.
        public let modules: [ModuleID]
        public let pattern: String
        public let cause: PatternAllowance.Cause
    }

    /// How long one turn may take, so that paths, signals and children are served meanwhile.
    private static let share = Duration.milliseconds(5)
    /// How many entries that nobody wants pass between two looks at the clock.
    private static let entriesPerLook = 64
    /// How many bytes of entries one turn may hand on, counted for each module that gets them: the
    /// time it takes to make events of them comes after the turn.
    private static let sizeShare = 1 << 20
    /// With so many values or fewer it is cheaper to let libsystemd step over all else. Measured: of
    /// an entry that nobody wants, the index is rid in 2 µs, libsystemd in 1 µs with 4 values, 3
    /// with 8, 8 with 16, 43 with 256.
    private static let termsMax = 8

    /// Fewer entries than that are read one by one.
    private static let backlogMin = 1_000

    private let reader: JournalReader
    private let dispatcher: JournalDispatcher
    private let listeners: [Listener]
    private var floors: JournalFloors
    private let roots: JournalRoots
    /// Whether libsystemd hears of new files by itself.
    private let isWatched: Bool
    /// Before this entry libsystemd steps over what nobody wants; nil where the index tells.
    ///
    /// Only where all has been written long ago. journald counts an entry in the file's header
    /// before it adds it to the lists of its fields' values, in which libsystemd looks for matches:
    /// a look in between finds nothing, and libsystemd remembers that until something else is
    /// logged. The file's own list, which is read without matches, is complete before the count is.
    private var selectedUntil: JournalCursor?
    /// How many entries have been read.
    private var order: Int64
    /// How far all has been told.
    public private(set) var position: JournalPosition
    private var hasToldEnd = false
    /// All has been told of an entry since the position was.
    private var hasMoved = false
    public private(set) var hasBacklog = true
    /// Since it was last asked whether they can be read.
    private var haveFilesChanged = false
    /// The position's entry was gone, so that reading began by time.
    public let isPositionLost: Bool
    /// Called before each look: what is written from then on must lead to another.
    public var beforeLook: () -> Void = {}
    /// Called after each look that came to the end, with how many entries it found.
    public var afterLook: (Int, inout [Event]) throws(SystemCallError) -> Void = { _, _ in }

    /// Opens the journal and stands where the first of the listeners begins.
    ///
    /// - Parameters:
    ///   - order: how many entries were read until now, for the positions of those to come.
    ///   - own: the entries to pass over.
    /// - Throws: `SystemCallError`; `Unreadable` where there is a journal that we may not read, or
    ///   none.
    public init(_ listeners: [Listener], order: Int64, own: OwnEntries) throws {
        precondition(!listeners.isEmpty)
        if let objection = JournalRoots.objection() { throw Unreadable(description: objection) }
        self.listeners = listeners
        reader = try JournalReader()
        isWatched = Inotify.hasWatches(reader.descriptor)
        roots = JournalRoots(includingFiles: !isWatched)
        dispatcher = try JournalDispatcher(listeners, own: own)
        let first = listeners.map(\.start).reduce(listeners[0].start) {
            $1.reachesBack(to: $0) ? $1 : $0
        }
        // An entry that is to be read again gets the number that it had.
        let isNew = first.order == JournalPosition.last
        self.order = isNew ? order : first.order - (first.isInclusive ? 1 : 0)
        position = first
        position.order = isNew ? order : first.order
        floors = try JournalFloors(listeners.map(\.start), besides: first, in: reader)
        isPositionLost = try !reader.stand(before: first)
        try select(listeners.flatMap(\.triggers), from: first)
    }

    /// There is no journal that could be read; the description says what to do.
    public struct Unreadable: Error, CustomStringConvertible {
        public let description: String
    }

    public var descriptor: CInt { reader.descriptor }
    public var exceeded: Exceeded { dispatcher.exceeded }

    /// The patterns that were suspended since this was last asked.
    public func takeSuspensions() -> [Suspension] { dispatcher.takeSuspensions() }

    /// The end of the journal as it is now; where it is empty or cannot be read, by time.
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

    /// What to go on with, should this source fail.
    public var resumption: [Listener] {
        listeners.enumerated().map { place, listener in
            var listener = listener
            if floors.isOpen[place] { listener.start = position }
            return listener
        }
    }

    /// Tells the entry at hand to the end, however long that takes.
    public func finishEntry(into events: inout [Event]) throws(SystemCallError) {
        guard !dispatcher.isDone else { return }
        while !dispatcher.isDone {
            try dispatcher.askNext(in: reader, floors, order: order, into: &events)
        }
        try finish()
        try tellPosition(into: &events)
    }

    /// Directories have come or gone of which libsystemd does not hear, or a file that we may not
    /// read, which it passes over in silence.
    public func isStale() -> Bool {
        if JournalRoots(includingFiles: !isWatched) != roots { return true }
        guard haveFilesChanged else { return false }
        haveFilesChanged = false
        return JournalRoots.refusal() != nil
    }

    /// Whether somebody writes what is read here; nil where nobody can tell.
    public static func isWritten() -> Bool? { JournalRoots.isWritten() }

    /// Why nobody does, with the remedy.
    public static func silence() -> String { JournalRoots.silence() }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        try reader.process()
        haveFilesChanged = true
        try look(into: &events)
    }

    /// Reads what is there, as much as one turn's share.
    public func look(into events: inout [Event]) throws(SystemCallError) {
        beforeLook()
        let told = events.count
        let count: Int
        do throws(SystemCallError) {
            count = try read(into: &events)
        } catch {
            // Without the position that follows, it would all be told again, and counted twice.
            events.removeSubrange(told...)
            throw error
        }
        if !hasBacklog { try afterLook(count, &events) }
    }

    // MARK: What to step over

    /// Has libsystemd step over what nobody wants, up to the entry that is the last one now.
    private func select(
        _ triggers: [JournalTrigger], from first: JournalPosition
    ) throws(SystemCallError) {
        let matches = triggers.map(\.match)
        let terms = matches.joined().map(\.values.count).reduce(0, +)
        // Not while some wait for their start, which might be stepped over.
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

    /// Whether there is something to be caught up with, and not soon read.
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

    /// Steps to the next entry that somebody may want.
    private func next() throws(SystemCallError) -> Bool {
        let isThere = try reader.next()
        guard let end = selectedUntil else { return isThere }
        if isThere, JournalCursor(try reader.cursor()) < end { return true }
        // The one that was the last may have been half written.
        selectedUntil = nil
        reader.stopEverywhere()
        try reader.seek(end.text)
        return try reader.next()
    }

    // MARK: Reading

    /// - Returns: how many entries were read.
    private func read(into events: inout [Event]) throws(SystemCallError) -> Int {
        let end = Clock.now + Self.share
        let handedOnMax = dispatcher.handedOn + Self.sizeShare
        var count = 0
        hasBacklog = true
        while true {
            if dispatcher.isDone {
                let (passed, isEnd) = try step()
                count += passed
                guard !isEnd else {
                    hasBacklog = false
                    break
                }
                // An entry that nobody wants is soon passed, a clock read for each is not.
                guard passed > 1 || !dispatcher.isDone || count % Self.entriesPerLook == 0 else {
                    continue
                }
            } else {
                try dispatcher.askNext(in: reader, floors, order: order, into: &events)
                if dispatcher.isDone { try finish() }
            }
            if Clock.now > end || dispatcher.handedOn > handedOnMax { break }
        }
        hasMoved = hasMoved || count > 0
        try tellPosition(into: &events)
        return count
    }

    /// Goes on to the next entry, over some that nobody wants where that is known.
    private func step() throws(SystemCallError) -> (passed: Int, isEnd: Bool) {
        guard floors.isEmpty, selectedUntil == nil, let wanted = dispatcher.wanted else {
            guard try next() else { return (0, true) }
            order += 1
            try begin()
            return (1, false)
        }
        let (passed, isFound) = try reader.skip(to: wanted, max: Self.entriesPerLook)
        order += Int64(passed)
        if isFound { try begin() }
        return (passed, !isFound && passed < Self.entriesPerLook)
    }

    private func begin() throws(SystemCallError) {
        if !floors.isEmpty { floors.reach(try reader.position(order: order, isInclusive: true)) }
        dispatcher.begin(in: reader)
        if dispatcher.isDone { try finish() }
    }

    private func finish() throws(SystemCallError) {
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
        // Who has counted the entry at hand must not be stored as standing before it.
        guard dispatcher.isDone else { return }
        if !hasBacklog { hasToldEnd = true }
        events.append(.journalRead(position, isAtEnd: !hasBacklog))
    }
}
