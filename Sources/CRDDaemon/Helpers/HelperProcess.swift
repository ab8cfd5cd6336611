// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// A second `crd` that performs operations that may block on a file server, a name service or a
/// pipe's lock, so that the daemon does not block (G14).
///
/// A helper that blocks in the kernel can be neither ended nor replaced. So nothing here waits for
/// a helper's end, and the number of each kind is limited: users can make servers that do not
/// answer (G15).
final class HelperProcess {
    /// The running helpers, so that they are not taken for a module's processes.
    final class Roll {
        private let reactor: Reactor
        private var pids: [PID: Kind] = [:]

        init(_ reactor: Reactor) {
            self.reactor = reactor
        }

        func contains(_ pid: PID) -> Bool { pids[pid] != nil }

        /// Starts a helper, which ends with the daemon.
        ///
        /// - Parameters:
        ///   - received: called with each message of the helper.
        ///   - ended: called once with the termination of the helper.
        /// - Throws: `SystemCallError`, `SpawnError`; `TooMany` if as many run as may.
        func start(
            _ kind: Kind, received: @escaping ([UInt8]) -> Void,
            ended: @escaping (Termination) -> Void
        ) throws -> HelperProcess {
            guard pids.values.count(where: { $0 == kind }) < kind.max else {
                throw TooMany(kind: kind)
            }
            let helper = try HelperProcess(kind, reactor: reactor, received, ended)
            pids[helper.pid] = kind
            helper.collected = { [weak self] in self?.pids[$0] = nil }
            return helper
        }
    }

    /// The helper's purpose: the argument of `crd helper`.
    enum Kind: String {
        case paths, accounts, mounts, outputs

        /// How many of them may run, those included that block.
        var max: Int {
            switch self {
            case .paths: MountPlaces.total
            case .accounts: 1
            case .mounts: 16
            case .outputs: 128
            }
        }
    }

    struct TooMany: Error, CustomStringConvertible {
        let kind: Kind

        var description: String {
            "\(kind.max) helper processes (crd helper \(kind.rawValue)) are running already, which is the limit"
        }
    }

    private let reactor: Reactor
    /// Nil after it was dismissed.
    private var socket: MessageSocket?
    private var tokens: [Reactor.Token] = []
    private var received: ([UInt8]) -> Void
    private let ended: (Termination) -> Void
    private var collected: (PID) -> Void = { _ in }
    private let pid: PID

    private init(
        _ kind: Kind, reactor: Reactor, _ received: @escaping ([UInt8]) -> Void,
        _ ended: @escaping (Termination) -> Void
    ) throws {
        self.reactor = reactor
        self.received = received
        self.ended = ended
        let (socket, childEnd) = try MessageSocket.pair()
        self.socket = socket
        let other = Descriptor(adopting: childEnd)
        let nothing = try Descriptor.open("/dev/null", O_RDWR)
        let request = ChildProcess.Request(
            // Runs our version even if the file was replaced: the helper must have the same one.
            path: "/proc/self/exe", arguments: ["helper", kind.rawValue],
            environment: Self.environment, directory: "/",
            descriptors: (nothing.rawValue, nothing.rawValue, STDERR_FILENO, other.rawValue))
        let process = try ChildProcess.spawn(request)
        pid = process.pid
        let source = HelperSource(process)
        source.ended = { [weak self] in self?.end($0) }
        socket.received = { [weak self] in self?.received($0) }
        do {
            tokens.append(try reactor.add(source))
            tokens.append(try reactor.add(socket))
        } catch {
            tokens.forEach(reactor.remove)
            source.abandon()
            throw error
        }
    }

    /// Sends a message, with up to four descriptors.
    ///
    /// - Returns: false if the helper has not taken an earlier message, or has ended.
    func send(_ message: [UInt8], passing descriptors: [CInt] = []) -> Bool {
        (try? socket?.send(message, passing: descriptors)) ?? false
    }

    /// Waits for a message and receives it. Use short timeouts, since the whole daemon waits.
    ///
    /// - Returns: whether a message came in time.
    func waitForMessage(milliseconds: CInt) -> Bool {
        guard let socket, (try? socket.waitForMessage(milliseconds: milliseconds)) == true
        else { return false }
        var events: [Event] = []
        try? socket.drain(into: &events)
        return !socket.isFinished
    }

    /// Closes the connection; the helper then ends as soon as it can.
    func dismiss() {
        if socket != nil, let token = tokens.popLast() { reactor.remove(token) }
        socket = nil
        received = { _ in }
    }

    private func end(_ termination: Termination) {
        dismiss()
        tokens = []
        collected(pid)
        ended(termination)
    }

    /// The daemon's environment without the service manager's variables for the daemon alone.
    private static var environment: CStringBlock {
        var block = CStringBlock()
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            let name = text.prefix { $0 != "=" }
            if !ServiceVariable.isOne(name), name.utf8.count < text.utf8.count {
                block.append(String(name), String(text.dropFirst(name.count + 1)))
            }
            next += 1
        }
        return block
    }
}

/// Becomes readable when a helper has ended (pidfd_open(2)).
private final class HelperSource: EventSource {
    private let process: ChildProcess
    var ended: (Termination) -> Void = { _ in }
    private(set) var isFinished = false

    init(_ process: consuming ChildProcess) {
        self.process = process
    }

    var descriptor: CInt { process.pidfd.rawValue }

    /// Kills the helper at once, since nothing will watch it.
    func abandon() { process.abandon() }

    func drain(into events: inout [Event]) throws(SystemCallError) {
        guard let termination = try process.reap() else { return }
        isFinished = true
        ended(termination)
    }
}
