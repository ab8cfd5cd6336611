// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc
import SystemPackage

/// A program that runs to its end, together with everything it starts, while this process does
/// nothing else.
///
/// It has its own session and dies with this process (prctl(2), `PR_SET_PDEATHSIG`).
public struct ForegroundProgram {
    public var path: String
    public var arguments: [String]
    public var environment: CStringBlock
    /// The working directory.
    public var directory: String
    public var timeout: Duration
    /// The time from SIGTERM to SIGKILL.
    public var grace: Duration
    /// The largest size of a file that it may write, in bytes (setrlimit(2), `RLIMIT_FSIZE`).
    public var fileSizeMax: UInt64?
    /// How much memory each of its processes may have, in bytes (`RLIMIT_DATA`); files that it maps
    /// for reading do not count.
    public var memoryMax: UInt64?
    /// Whether processes that it leaves behind may continue.
    public var keepsLeftovers: Bool
    /// The user to run as; nil to keep our own.
    public var user: UserAccount?

    public enum Ending: Equatable, Sendable {
        case ended(Termination)
        case timedOut(after: Duration)
        /// A signal to this process also ended the program.
        case interrupted(CInt)
        /// It had printed enough, and was ended.
        case cut
    }

    public init(
        path: String, arguments: [String] = [], environment: CStringBlock, directory: String,
        timeout: Duration, grace: Duration, fileSizeMax: UInt64? = nil,
        memoryMax: UInt64? = nil, keepsLeftovers: Bool = false, user: UserAccount? = nil
    ) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.timeout = timeout
        self.grace = grace
        self.fileSizeMax = fileSizeMax
        self.memoryMax = memoryMax
        self.keepsLeftovers = keepsLeftovers
        self.user = user
    }

    /// Runs the program with an empty standard input, and an empty file as its descriptor 3.
    ///
    /// - Parameters:
    ///   - interruption: the signals that end it early; nil for none.
    ///   - isEnough: checked after each output; true ends the program.
    /// - Throws: `SpawnError`, `SystemCallError`.
    public func run(
        output: any OutputSink, errors: any OutputSink, interruption: InterruptSignals? = nil,
        isEnough: () -> Bool = { false }
    ) throws -> Ending {
        if let signal = interruption?.signal { return .interrupted(signal) }
        // Then everything it starts stays below us, whichever parents have ended.
        let adopted = try ChildProcess.adoptOrphans()
        defer { _ = try? ChildProcess.adoptOrphans(adopted) }
        let mark = ProcessMark.random()
        let reactor = try Reactor()
        let timer = try TimerSource()
        _ = try reactor.add(timer)
        var end: ChildSource.End?
        let pipes = try spawn(mark, reactor, output, errors) { end = $0 }
        if let source = interruption?.source { _ = try reactor.add(source) }

        let deadline = Clock.now + timeout
        func currentEnding() throws -> Ending? {
            switch end {
            case .unstarted(let failure): throw failure
            case .ended(let termination): return .ended(termination)
            case nil: break
            }
            if let signal = interruption?.signal { return .interrupted(signal) }
            if isEnough() { return .cut }
            return Clock.now >= deadline ? .timedOut(after: timeout) : nil
        }
        var ending: Ending?
        while ending == nil {
            try timer.arm(deadline)
            var events: [Event] = []
            _ = try reactor.wait(into: &events)
            ending = try currentEnding()
        }
        if end == nil || !keepsLeftovers { try endAll(mark, reactor, timer) }
        for pipe in pipes { pipe.readRest() }
        return ending ?? .timedOut(after: timeout)
    }

    private func spawn(
        _ mark: ProcessMark, _ reactor: Reactor,
        _ output: any OutputSink, _ errors: any OutputSink,
        ended: @escaping (ChildSource.End) -> Void
    ) throws -> [PipeSource] {
        let nothing = try Descriptor.open("/dev/null", O_RDONLY)
        let events = try MemoryFile(name: "events", [])
        let (out, outEnd) = try PipeSource.make(into: output)
        let outDescriptor = Descriptor(adopting: outEnd)
        let (err, errEnd) = try PipeSource.make(into: errors)
        let errDescriptor = Descriptor(adopting: errEnd)
        let request = ChildProcess.Request(
            path: path, arguments: arguments, environment: environment, directory: directory,
            descriptors: (
                nothing.rawValue, outDescriptor.rawValue, errDescriptor.rawValue, events.descriptor
            ), user: user, mark: mark)
        if let user {
            try PipeSource.give(outDescriptor.rawValue, to: user)
            try PipeSource.give(errDescriptor.rawValue, to: user)
        }
        // The child inherits our limits.
        let fileSize = fileSizeMax.map { crd_limit_file_size($0) }
        defer { if let fileSize { _ = crd_limit_file_size(fileSize) } }
        let memory = memoryMax.map { crd_limit_memory($0) }
        defer { if let memory { _ = crd_limit_memory(memory) } }
        let child = ChildSource(
            try ChildProcess.spawn(request), outputs: []
        ) { end, _ in ended(end) }
        do {
            _ = try reactor.add(child)
            _ = try reactor.add(out)
            _ = try reactor.add(err)
        } catch {
            child.abandon()
            throw error
        }
        return [out, err]
    }

    /// Ends all its remaining processes: SIGTERM, and SIGKILL after the grace period.
    private func endAll(
        _ mark: ProcessMark, _ reactor: Reactor, _ timer: TimerSource
    ) throws {
        let killAt = Clock.now + grace
        var hasAsked: Set<ProcessTable.Entry> = []
        while true {
            while Self.reapsAnother() {}
            let left = Self.descendants(with: mark)
            if left.isEmpty { return }
            let now = Clock.now
            for process in left {
                if now >= killAt {
                    ProcessTable.send(SIGKILL, to: process)
                } else if hasAsked.insert(process).inserted {
                    ProcessTable.terminate(process)
                }
            }
            // A process that survives SIGKILL must not block us for ever.
            if now >= killAt + Self.killPatience { return }
            // Its output is drained meanwhile: with a full pipe it could not end.
            try timer.arm(now + Self.step)
            var events: [Event] = []
            _ = try reactor.wait(into: &events)
        }
    }

    /// Returns the program's processes. Our other descendants are not the program's: this process
    /// may have had children before it became crd.
    private static func descendants(with mark: ProcessMark) -> [ProcessTable.Entry] {
        let marked = ProcessTable.currentTree(below: [getpid()]).map(\.pid).filter {
            mark.isCarried(by: $0)
        }
        // Includes their descendants, whatever limits these have set for themselves.
        return ProcessTable.currentTree(below: marked.filter { $0 != getpid() })
    }

    private static let step = Duration.milliseconds(10)
    private static let killPatience = Duration.seconds(10)

    private static func reapsAnother() -> Bool {
        var status: CInt = 0
        return waitpid(-1, &status, WNOHANG) > 0
    }
}
