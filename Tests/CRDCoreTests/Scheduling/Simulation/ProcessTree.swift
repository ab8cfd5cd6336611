// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// The processes of one module, as the kernel would have them.
struct ProcessTree {
    struct Process {
        var end: Instant
        var diesOfTerminate = true
        /// How long it survives a deadly signal, or zero.
        var dyingTakes = Duration.zero

        /// Whether the signal is what ends it.
        mutating func take(_ signal: TreeSignal, at now: Instant) -> Bool {
            if signal == .terminate && !diesOfTerminate { return false }
            let death = now + dyingTakes
            guard death < end else { return false }
            end = death
            return true
        }
    }

    /// The next event about these processes.
    enum Occurrence {
        case unable
        case notReady
        case awaitingOutput(since: Instant)
        case exited(Termination)
        case emptied
    }

    private(set) var main: Process?
    private var termination = Termination.exited(0)
    /// How long the main process's output is read after its end; nil: not at all.
    private var outputTakes: Duration?
    private var outputEnd: Instant?
    private var others: [Process] = []
    private var failedAt: Instant?
    private var isUnready = false
    private var clearedAt: Instant?

    /// Whether the answer to a spawn is due, which takes no time.
    var isAnswerDue: Bool { failedAt != nil }

    var isEmpty: Bool { main == nil && others.isEmpty }

    mutating func start(
        _ process: Process, endingWith termination: Termination, outputTakes: Duration?
    ) {
        main = process
        self.termination = termination
        self.outputTakes = outputTakes
        outputEnd = nil
    }

    /// Left behind by the executable just started.
    mutating func addChild(_ process: Process) { others.append(process) }

    /// - Parameter isUnready: its file is being written.
    mutating func failToStart(isUnready: Bool, at now: Instant) {
        failedAt = now
        self.isUnready = isUnready
    }

    mutating func signal(_ signal: TreeSignal, at now: Instant) {
        if outputEnd == nil, main?.take(signal, at: now) == true {
            termination = .signaled(signal == .kill ? 9 : 15)
        }
        for index in others.indices { _ = others[index].take(signal, at: now) }
    }

    /// - Parameter isNoticeLost: nobody reports the last one's end, unless it has ended already.
    mutating func clear(_ signal: TreeSignal?, isNoticeLost: Bool, at now: Instant) {
        if let signal { self.signal(signal, at: now) }
        let isOver = others.allSatisfy { $0.end <= now }
        clearedAt = isNoticeLost && !isOver ? nil : now
    }

    /// From now on everything ends within this time.
    mutating func calm(within duration: Duration, at now: Instant) {
        if let main { self.main?.end = min(main.end, now + duration) }
        for index in others.indices { others[index].end = min(others[index].end, now + duration) }
    }

    var next: (time: Instant, what: Occurrence)? {
        if let failedAt { return (failedAt, isUnready ? .notReady : .unable) }
        if let outputEnd { return (outputEnd, .exited(termination)) }
        if let main {
            return (
                main.end,
                outputTakes == nil ? .exited(termination) : .awaitingOutput(since: main.end)
            )
        }
        guard let clearedAt else { return nil }
        return (others.map(\.end).reduce(clearedAt, max), .emptied)
    }

    /// `next` was delivered.
    mutating func pass(_ occurrence: Occurrence) {
        switch occurrence {
        case .unable, .notReady: failedAt = nil
        case .awaitingOutput(let time): outputEnd = time + (outputTakes ?? .zero)
        case .exited: (main, outputEnd) = (nil, nil)
        case .emptied: self = ProcessTree()
        }
    }
}
