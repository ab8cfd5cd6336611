// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// What a schedule of reloads owes (G11), judged by what it was told and what it commanded.
struct ReloadContract {
    typealias Event = ReloadSchedule.Event
    typealias Command = ReloadSchedule.Command

    enum Corner: CaseIterable {
        case readAfterQuiet, readAfterUnrest, readAll, polled, polledWithoutDirectories, regained
        case answered, waitedForAccounts, accountsCameInTime, accountsCameTooLate, joined
        case refused, refusedWhileWaiting
        case unready, unreadyForTooLong, manifestAwaited, manifestAwaitedForTooLong, whole
        case switchedOff, missed
    }

    private(set) var coverage: [Corner: Int] = [:]

    /// Changes, from the first to the last of them.
    private struct Span {
        var first: Instant
        var last: Instant

        init(_ now: Instant) { (first, last) = (now, now) }

        /// After a second of quiet, ten seconds after the first at the latest.
        var due: Instant { min(last + .seconds(1), first + .seconds(10)) }
    }

    /// Observed changes of modules that were not read since.
    private var unread: [ModuleName: Span] = [:]
    /// The same, but a reading that came for another reason does not end them.
    private var unsettled: [ModuleName: Span] = [:]
    private var unreadAll: Span?
    /// When a module that awaits its manifest must have been read.
    private var awaited: [ModuleName: Instant] = [:]
    /// When the first change was missed that no reading has found yet.
    private var missedAt: Instant?
    private var lost: Set<ReloadSchedule.WatchedPart> = []
    private var pollDue: Instant?
    private var requests = 0
    private var askedAt: Instant?
    /// Until when the requests may wait for the name service.
    private var waitsUntil: Instant?
    private var haveAccountsCome = false
    private var isStopped = false
    /// The reading that is under way.
    private var reading: ReloadSchedule.Scope?

    private mutating func reach(_ corner: Corner) { coverage[corner, default: 0] += 1 }

    // MARK: Events

    /// The disk has changed, and nothing watched it.
    mutating func miss(at now: Instant) {
        guard !lost.isEmpty else { return }
        missedAt = missedAt ?? now
        reach(.missed)
    }

    mutating func observe(
        _ event: Event, _ deadline: Instant?, at now: Instant
    ) throws(Violation) {
        record(event, at: now)
        try judge(deadline, at: now)
    }

    private mutating func record(_ event: Event, at now: Instant) {
        switch event {
        case .changed(let name): touch(name, at: now)
        case .arrived(let name, let arrival):
            touch(name, at: now)
            arrivals[name] = arrival
        case .departed(let name):
            touch(name, at: now)
            arrivals[name] = nil
        case .changedSomewhere: touchAll(at: now)
        case .watchLost(let watch):
            lost.insert(watch)
            pollDue = pollDue ?? now + .seconds(5)
        case .watchRegained(let watch):
            guard lost.remove(watch) != nil, lost.isEmpty else { return }
            reach(.regained)
            (pollDue, missedAt) = (nil, nil)
            touchAll(at: now)
        case .watchingEnded:
            reach(.switchedOff)
            (lost, pollDue, missedAt, unreadAll) = ([], nil, nil, nil)
            (unread, unsettled, awaited, arrivals, touched, holds) = ([:], [:], [:], [:], [:], [:])
        case .requested:
            if requests > 0 { reach(.joined) }
            requests += 1
            askedAt = askedAt ?? now
        case .accountsAnswered:
            guard waitsUntil != nil else { return }
            haveAccountsCome = true
            hurry(at: now)
        case .stopped:
            isStopped = true
            hurry(at: now)
        }
    }

    /// Nothing delays the answers any more.
    private mutating func hurry(at now: Instant) {
        waitsUntil = waitsUntil.map { min($0, now) }
    }

    private mutating func touch(_ name: ModuleName, at now: Instant) {
        if awaited.removeValue(forKey: name) != nil { unread[name] = nil }
        unread[name, default: Span(now)].last = now
        unsettled[name, default: Span(now)].last = now
        touched[name, default: Span(now)].last = now
    }

    private mutating func touchAll(at now: Instant) {
        unreadAll = unreadAll ?? Span(now)
        unreadAll?.last = now
    }

    // MARK: What is commanded

    mutating func observe(
        _ commands: [Command], _ deadline: Instant?, at now: Instant
    ) throws(Violation) {
        try judge(commands, at: now)
        try judge(deadline, at: now)
    }

    private mutating func judge(_ commands: [Command], at now: Instant) throws(Violation) {
        var commands = commands[...]
        if commands.first == .rearmDirectories {
            commands = commands.dropFirst()
            try Violation.unless(
                lost.contains(.directories) && commands.first == .read(.allModules), "G11",
                "the watches are retried without need")
        } else if lost.contains(.directories), let pollDue, pollDue <= now {
            try Violation.unless(
                commands.first != .read(.allModules), "G11", "the watches are not retried")
        }
        if requests == 0 && !isStopped {
            // Of a module that was unready for long, the wait for a manifest begins anew.
            touched = touched.filter { $0.value.last + .seconds(20) > now }
        }
        guard let command = commands.first else { return }
        try Violation.unless(commands.count == 1, "G11", "too much at once: \(commands)")
        switch command {
        case .refuseRequests:
            try Violation.unless(isStopped && requests > 0, "G11", "refused for no reason")
            reach(waitsUntil == nil ? .refused : .refusedWhileWaiting)
            answerAll()
        case .read(let scope):
            try Violation.unless(!isStopped, "G11", "read after the stop")
            try Violation.unless(
                waitsUntil == nil || scope == .everything, "G11", "read while requests wait")
            try Violation.unless(reading == nil, "G11", "read while reading")
            try judge(scope, at: now)
            reading = scope
        case .rearmDirectories:
            throw Violation(message: "G11: \(command) comes by itself")
        }
    }

    private mutating func judge(
        _ scope: ReloadSchedule.Scope, at now: Instant
    ) throws(Violation) {
        switch scope {
        case .everything:
            try Violation.unless(requests > 0, "G11", "nobody asked for it")
            guard let waitsUntil else { return }
            try Violation.unless(waitsUntil <= now, "G11", "it does not wait for the accounts")
            reach(haveAccountsCome ? .accountsCameInTime : .accountsCameTooLate)
        case .allModules:
            if let pollDue, pollDue <= now {
                reach(lost.contains(.directories) ? .polledWithoutDirectories : .polled)
                self.pollDue = now + .seconds(5)
                if let unreadAll, unreadAll.due <= now { self.unreadAll = nil }
            } else {
                let due = unreadAll?.due
                try Violation.unless(
                    due.map { $0 <= now } == true, "G11",
                    "all is read, though due at \(String(describing: due))")
                reach(.readAll)
                unsettled = [:]
                unreadAll = nil
            }
        case .modules(let names):
            try Violation.unless(
                !names.isEmpty && Set(names).sorted() == names, "G11", "unordered: \(names)")
            for name in names {
                let due = awaited[name] ?? unsettled[name]?.due
                try Violation.unless(
                    due.map { $0 <= now } == true, "G11",
                    "\(name) is read, though due at \(String(describing: due))")
                guard let span = unsettled.removeValue(forKey: name) else { continue }
                reach(
                    span.last + .seconds(1) <= now ? .readAfterQuiet : .readAfterUnrest)
            }
        }
    }

    mutating func finish(
        _ scope: ReloadSchedule.Scope, unready: [ModuleName], awaitsAccounts: Bool,
        isAnswer: Bool, _ deadline: Instant?, at now: Instant
    ) throws(Violation) {
        try Violation.unless(reading == scope, "G11", "another reading")
        reading = nil
        let names = scope.names ?? Array(Set(touched.keys).union(arrivals.keys).union(newsOf))
        for name in names where !unready.contains(name) {
            (touched[name], arrivals[name]) = (nil, nil)
            newsOf.remove(name)
        }
        let mustAnswer = scope == .everything && !(awaitsAccounts && waitsUntil == nil)
        try Violation.unless(
            isAnswer == mustAnswer, "G11",
            "\(requests) requests are \(isAnswer ? "" : "not ")answered")
        if mustAnswer {
            reach(.answered)
            answerAll()
        } else if scope == .everything {
            reach(.waitedForAccounts)
            waitsUntil = now + .seconds(10)
        }
        try judge(deadline, at: now)
    }

    private mutating func answerAll() {
        (requests, askedAt, waitsUntil, haveAccountsCome) = (0, nil, nil, false)
    }

    /// These modules are being read, all of them for nil.
    mutating func read(_ names: [ModuleName]?) {
        guard let names else {
            (unread, awaited, missedAt) = ([:], [:], nil)
            return
        }
        for name in names { (unread[name], awaited[name]) = (nil, nil) }
    }

    // MARK: Deadlines

    /// By when something must be commanded.
    private var duties: [(what: String, due: Instant)] {
        var duties: [(String, Instant)] = []
        if let askedAt { duties.append(("requests", waitsUntil ?? askedAt)) }
        // What the answer is to name is not read by others before.
        guard !isStopped && waitsUntil == nil else { return duties }
        duties += unread.map { ("\($0.key)", awaited[$0.key] ?? $0.value.due) }
        if let unreadAll { duties.append(("everything", unreadAll.due)) }
        if let pollDue { duties.append(("the poll", pollDue)) }
        if let missedAt { duties.append(("what was missed", missedAt + .seconds(5))) }
        return duties
    }

    private func judge(_ deadline: Instant?, at now: Instant) throws(Violation) {
        guard reading == nil else { return }
        for (what, due) in duties {
            try Violation.unless(
                deadline.map { $0 <= due } == true, "G11",
                "\(what) waits for \(due), the deadline is \(String(describing: deadline))")
        }
    }

    /// Judges what is left to do after all that was due has been done.
    func judgeRest(at now: Instant) throws(Violation) {
        for (what, due) in duties {
            try Violation.unless(due > now, "G11", "\(what) was due at \(due)")
        }
    }

    // MARK: Modules that are not taken in yet

    private var arrivals: [ModuleName: FileChanges.Arrival] = [:]
    /// Observed changes since the module was taken in.
    private var touched: [ModuleName: Span] = [:]
    private var holds: [ModuleName: (why: FileChanges.Unreadiness, span: Span)] = [:]
    /// Modules that were said to await a manifest.
    private var newsOf: Set<ModuleName> = []

    mutating func observe(
        _ found: ReloadSchedule.Finding, _ postponement: ReloadSchedule.Postponement?,
        at now: Instant
    ) throws(Violation) {
        let name = found.name
        var isGivenUp = false
        if let why = found.unreadiness {
            let isUnready = hold(name, why, at: now)
            try Violation.unless(
                isUnready == (postponement == .unready), "G11",
                "\(name), \(why), is met with \(String(describing: postponement))")
            reach(isUnready ? .unready : .unreadyForTooLong)
            if isUnready {
                if arrivals[name] == .whole { arrivals[name] = nil }
                return postpone(name, at: now)
            }
            isGivenUp = why != .incomplete
        }
        let due = manifestDue(found, at: now)
        guard let due, due > now, !isGivenUp else {
            if due != nil { reach(.manifestAwaitedForTooLong) }
            return try Violation.unless(
                postponement == nil, "G11", "\(name) waits for \(String(describing: postponement))")
        }
        reach(.manifestAwaited)
        let isNews = newsOf.insert(name).inserted
        try Violation.unless(
            postponement == .withoutManifest(isNews: isNews), "G11",
            "\(name) has no manifest until \(due): \(String(describing: postponement))")
        postpone(name, at: now)
        awaited[name] = due
    }

    private mutating func postpone(_ name: ModuleName, at now: Instant) {
        unread[name] = Span(now)
        unsettled[name] = Span(now)
    }

    /// Returns whether the module may still become ready.
    private mutating func hold(
        _ name: ModuleName, _ why: FileChanges.Unreadiness, at now: Instant
    ) -> Bool {
        var span = Span(now)
        if let known = holds[name], known.why == why, known.span.last + .seconds(10) > now {
            span = known.span
            span.last = now
        }
        holds[name] = (why, span)
        return span.first + why.patience > now
    }

    /// Until when a manifest may come; nil: the module needs none.
    private mutating func manifestDue(
        _ found: ReloadSchedule.Finding, at now: Instant
    ) -> Instant? {
        guard found.isObserved, !found.hasManifest else { return nil }
        let arrival = arrivals[found.name]
        if arrival == .whole { reach(.whole) }
        guard arrival != .whole, !found.mayRunAlready || arrival == .inPlace else { return nil }
        let span = touched[found.name] ?? Span(now)
        touched[found.name] = span
        return min(span.last + .seconds(10), span.first + .seconds(100))
    }
}
