// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
public import CRDLinux
import Glibc

/// The process that watches the paths on one mount that may stall. It runs the daemon's
/// `PathSource`, so that only triggers on that mount wait for it.
public final class PathHelper {
    private let reactor: Reactor
    private let socket: MessageSocket
    private let source: PathSource
    private var requests: [PathHelperMessage.Request] = []
    /// How many triggers each listener has here.
    private var listeners: [PathListener: Int] = [:]
    private var missing: [PathListener: String] = [:]
    private var reports: [PathHelperMessage.Report] = []
    /// Whether `.busy` was sent without `.done` yet.
    private var isBusy = false

    /// Talks to the daemon at the other end of `socket`.
    ///
    /// - Throws: `SystemCallError`.
    public init(_ socket: MessageSocket) throws {
        self.socket = socket
        reactor = try Reactor()
        source = try PathSource()
        source.report = { [unowned self] listener, report, _ in
            reports.append(.init(report, to: listener))
        }
        socket.received = { [unowned self] in
            if let request = PathHelperMessage.decode($0, as: PathHelperMessage.Request.self) {
                requests.append(request)
            }
        }
        _ = try reactor.add(socket)
        _ = try reactor.add(Announced(source) { [unowned self] in announce() })
        let mounts = try MountSource { [unowned self] in source.receive($0, into: &$1) }
        _ = try reactor.add(Announced(mounts) { [unowned self] in announce() })
    }

    /// Serves until the daemon closes the connection.
    ///
    /// - Throws: `SystemCallError` if it cannot continue.
    public func run() throws {
        while !socket.isFinished {
            var events: [Event] = []
            if let failure = try reactor.wait(into: &events).first { throw failure.error }
            for request in requests { try answer(request) }
            requests = []
            guard isBusy else { continue }
            try report()
            try send(.done)
            isBusy = false
        }
    }

    private func announce() {
        guard !isBusy else { return }
        isBusy = true
        // If this fails, sending the results reports the error.
        try? send(.busy)
    }

    private func answer(_ request: PathHelperMessage.Request) throws {
        var events: [Event] = []
        switch request {
        case .arm(let trigger, let isNew):
            listeners[trigger.listener, default: 0] += 1
            source.arm([trigger.pair], areNews: isNew, into: &events)
        case .disarm(let trigger):
            listeners[trigger.listener, default: 1] -= 1
            if listeners[trigger.listener] == 0 {
                listeners[trigger.listener] = nil
                missing[trigger.listener] = nil
            }
            source.disarm([trigger.pair], into: &events)
        case .rearm(let listener): source.rearm(listener, into: &events)
        }
        try report()
        try send(.done)
    }

    private func report() throws(SystemCallError) {
        for report in reports { try send(report) }
        reports = []
        for listener in listeners.keys.sorted() {
            let path = source.missingPath(of: listener)
            guard missing[listener] != path else { continue }
            missing[listener] = path
            try send(.missing(listener, path: path))
        }
    }

    private func send(_ report: PathHelperMessage.Report) throws(SystemCallError) {
        try socket.sendWaiting(PathHelperMessage.encode(report))
    }
}

/// Calls `announce` before the source drains.
private final class Announced: BackloggedSource {
    private let source: any EventSource
    private let announce: () -> Void

    init(_ source: any EventSource, _ announce: @escaping () -> Void) {
        self.source = source
        self.announce = announce
    }

    var descriptor: CInt { source.descriptor }
    var interest: Interest { source.interest }
    var hasBacklog: Bool { (source as? any BackloggedSource)?.hasBacklog ?? false }

    func drain(into events: inout [Event]) throws(SystemCallError) {
        announce()
        try source.drain(into: &events)
    }
}
