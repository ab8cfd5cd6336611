// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
public import CRDLinux
import Glibc

/// The process that reads the output of one user's roles and passes it on to the daemon
/// (`OutputRelay`).
public final class OutputHelper {
    /// One output of a role: from the role's pipe into the daemon's.
    private final class Stream {
        let source: PipeSource
        private let writer: PipeWriter
        private let reactor: Reactor
        private let tokens: (source: Reactor.Token, writer: Reactor.Token)
        /// Whether the reactor waits for room in the daemon's pipe.
        private var waitsForRoom = false
        /// Whether the role's pipe could not be read (pipe(7), `EIO` of a page in it).
        var isLost = false

        init(
            from pipe: SharedDescriptor, into other: SharedDescriptor,
            _ reactor: Reactor, _ scratch: PipeSource.Scratch
        ) throws(SystemCallError) {
            self.reactor = reactor
            writer = try PipeWriter(other)
            source = PipeSource(pipe, sink: writer, scratch: scratch)
            tokens = (try reactor.add(source), try reactor.add(writer))
        }

        /// Whether all that was read has been passed on.
        var isSettled: Bool { !writer.isFull }
        /// All of the role's output was passed on, or the daemon wants no more.
        var isOver: Bool { writer.isFinished || (source.isFinished || isLost) && isSettled }

        /// Adapts the registrations after a turn.
        func update() throws(SystemCallError) {
            if isOver {
                reactor.remove(tokens.source)
                reactor.remove(tokens.writer)
            } else if waitsForRoom == isSettled {
                waitsForRoom.toggle()
                try reactor.update(tokens.writer)
            }
        }
    }

    /// The outputs of one role.
    private final class Channel {
        var streams: [Stream] = []
        /// Whether the daemon waits for what was printed until it asked.
        var isSettling = false
    }

    private let reactor: Reactor
    private let socket: MessageSocket
    private let scratch = PipeSource.Scratch()
    private var channels: [OutputRelay.Number: Channel] = [:]
    private var failure: SystemCallError?

    /// Talks to the daemon at the other end of `socket`.
    ///
    /// - Throws: `SystemCallError`.
    public init(_ socket: MessageSocket) throws {
        self.socket = socket
        reactor = try Reactor()
        _ = try reactor.add(socket)
        socket.received = { [unowned self] message in
            do throws(SystemCallError) {
                try receive(OutputRelay.decode(message), socket.passed)
            } catch {
                failure = error
            }
        }
    }

    /// Serves until the daemon has closed the connection, and all outputs have ended.
    ///
    /// - Throws: `SystemCallError` if it cannot continue.
    public func run() throws {
        // A daemon that wants no more output of a role closes its end.
        signal(SIGPIPE, SIG_IGN)
        while !socket.isFinished || !channels.isEmpty {
            var events: [Event] = []
            for failure in try reactor.wait(into: &events) { try lose(failure) }
            if let failure { throw failure }
            for (number, channel) in channels { try update(channel, number) }
        }
    }

    private func receive(
        _ number: OutputRelay.Number, _ passed: [SharedDescriptor]
    ) throws(SystemCallError) {
        guard passed.isEmpty else { return try open(number, passed) }
        // The channel may be over.
        let channel = channels[number] ?? Channel()
        channel.isSettling = true
        for stream in channel.streams { stream.source.readRest() }
        channels[number] = channel
    }

    /// - Parameter passed: pairs of a pipe to read and one to write into.
    private func open(
        _ number: OutputRelay.Number, _ passed: [SharedDescriptor]
    ) throws(SystemCallError) {
        let channel = Channel()
        for index in stride(from: 0, to: passed.count - 1, by: 2) {
            channel.streams.append(
                try Stream(from: passed[index], into: passed[index + 1], reactor, scratch))
        }
        channels[number] = channel
    }

    private func lose(_ failure: Reactor.Failure) throws(SystemCallError) {
        let streams = channels.values.lazy.flatMap(\.streams)
        guard let stream = streams.first(where: { $0.source === failure.source }) else {
            throw failure.error
        }
        stream.isLost = true
    }

    private func update(
        _ channel: Channel, _ number: OutputRelay.Number
    ) throws(SystemCallError) {
        for stream in channel.streams { try stream.update() }
        channel.streams.removeAll(where: \.isOver)
        if channel.isSettling, channel.streams.allSatisfy(\.isSettled) {
            channel.isSettling = false
            if !socket.isFinished { try socket.sendWaiting(OutputRelay.encode(number)) }
        }
        if channel.streams.isEmpty, !channel.isSettling { channels[number] = nil }
    }
}
