// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc
import SystemPackage

/// Our end of a pipe that a child writes into.
///
/// epoll reports new output once, and the source remembers whether it has read all of it. So the
/// registration need not change while its sink is full, and the loop can sleep.
public final class PipeSource: BackloggedSource {
    /// How much is read in one turn, so that a child that prints endlessly delays nothing else.
    private static let share = 1 << 16
    /// How much is read of a child's last output in the pipe, which the child can enlarge
    /// (fcntl(2), `F_SETPIPE_SZ`).
    private static let restMax = 1 << 20

    /// Memory to read into, shared by all pipes of a thread: the bytes are passed on at once.
    public final class Scratch {
        fileprivate let bytes = UnsafeMutableRawBufferPointer.allocate(
            byteCount: share, alignment: 16)

        public init() {}

        deinit { bytes.deallocate() }
    }

    private let pipe: SharedDescriptor
    private let scratch: Scratch
    /// Set before the child starts; a pipe without a writer needs none.
    public var sink: (any OutputSink)?
    /// All holders of the child's end have closed it.
    public private(set) var isFinished = false
    /// Whether the child's descendants may continue to write after it has ended.
    public var outlivesChild = false
    /// Whether to read although the sink is full, since something else waits for the output.
    public var isUrgent = false
    /// There may be unread output.
    private var isPending = false

    /// Makes a pipe, and returns the blocking end for the child, which the caller closes after the
    /// spawn (pipe2(2)).
    public static func make(
        into sink: (any OutputSink)? = nil, scratch: Scratch = Scratch()
    ) throws(SystemCallError) -> (source: PipeSource, childEnd: CInt) {
        let (pipe, childEnd) = try makeEnds()
        return (PipeSource(pipe, sink: sink, scratch: scratch), childEnd)
    }

    /// Makes a pipe: a non-blocking reading end, and a blocking writing end, which the caller
    /// closes (pipe2(2)).
    public static func makeEnds() throws(SystemCallError) -> (reading: SharedDescriptor, CInt) {
        var ends: (CInt, CInt) = (-1, -1)
        try systemCall("pipe2") {
            withUnsafeMutableBytes(of: &ends) {
                crd_pipe($0.assumingMemoryBound(to: CInt.self).baseAddress!)
            }
        }
        return (SharedDescriptor(Descriptor(adopting: ends.0)), ends.1)
    }

    /// Makes a pipe a user's, who could otherwise not open its own /dev/stdout and /dev/stderr
    /// (fchown(2)).
    public static func give(_ end: CInt, to user: UserAccount) throws(SystemCallError) {
        try systemCall("fchown") { fchown(end, user.uid, user.gid) }
    }

    /// - Parameter pipe: a reading end, which must be non-blocking.
    public init(_ pipe: SharedDescriptor, sink: (any OutputSink)?, scratch: Scratch) {
        self.pipe = pipe
        self.scratch = scratch
        self.sink = sink
    }

    public var descriptor: CInt { pipe.rawValue }
    public var interest: Interest { [.readable, .edge] }
    public var hasBacklog: Bool { isPending && mayRead }
    private var mayRead: Bool { isUrgent || sink?.isFull != true }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        isPending = true
        var left = Self.share
        while left > 0, mayRead {
            let count = try read(upTo: left)
            guard count > 0 else {
                isPending = false
                return
            }
            left -= count
        }
    }

    /// Reads what the child left in the pipe when it ended, and no more: another holder of the
    /// child's end might write for ever (ioctl_tty(2), `FIONREAD`). An unfinished line is passed
    /// on; more may follow if the pipe outlives the child.
    public func readRest() {
        var waiting: CInt = 0
        if !isFinished { _ = ioctl(pipe.rawValue, UInt(FIONREAD), &waiting) }
        var rest = min(Int(waiting), Self.restMax)
        while rest > 0 {
            guard let count = try? read(upTo: min(rest, Self.share)), count > 0 else { break }
            rest -= count
        }
        sink?.outputHasEnded()
    }

    private func read(upTo limit: Int) throws(SystemCallError) -> Int {
        do throws(SystemCallError) {
            let count = try systemCall("read", on: "a module's output") {
                Glibc.read(pipe.rawValue, scratch.bytes.baseAddress!, limit)
            }
            if count == 0 {
                isFinished = true
                if outlivesChild { sink?.outputHasEnded() }
            }
            sink?.receive(UnsafeRawBufferPointer(rebasing: scratch.bytes[..<count]))
            return count
        } catch let error where error.errno == .wouldBlock {
            return 0
        }
    }
}
