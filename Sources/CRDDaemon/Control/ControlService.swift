// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import DequeModule
import Glibc
import Logging
import SystemPackage

/// Serves `org.crd.Reactor` and `org.varlink.service` on the daemon's socket (G13).
final class ControlService {
    /// Members of this group may read, but not change anything.
    private static let group = "crd"

    private let reactor: Reactor
    private let logger: Logger
    private unowned let host: any ControlHost
    private let readers: GID?
    private var sessions: [ObjectIdentifier: ControlSession] = [:]
    private var places = ConnectionPlaces(roots: [0, UserAccount.daemon.uid])
    /// Sessions with a call that can be answered, in the order of their calls.
    private var queue = Deque<ControlSession>()
    private var refusals = RepeatedLine()
    private var failures = RepeatedLine()
    private let path: FilePath

    /// Binds the socket and starts to listen.
    init(
        _ path: FilePath, of host: any ControlHost, reactor: Reactor, logger: Logger
    ) throws(SystemCallError) {
        self.path = path
        self.reactor = reactor
        self.logger = logger
        self.host = host
        // Only root can give a file to a group that it is not a member of.
        readers = geteuid() == 0 ? UserAccount.localGroup(named: Self.group) : nil
        let listener = try SocketListener(path, group: readers) { [weak self] stream in
            self?.accept(stream)
        }
        _ = try reactor.add(listener)
    }

    /// Removes the socket's file, so that clients no longer connect and wait.
    func close() {
        _ = path.withPlatformString { unlink($0) }
    }

    /// Keeps the connection, or closes it.
    private func accept(_ stream: SocketStream) {
        do throws(SystemCallError) {
            let user = try stream.user()
            if let refusal = places.admit(user) { return log(refusal, of: user) }
            do throws(SystemCallError) {
                try add(ControlSession(stream, of: user))
            } catch {
                places.leave(user)
                throw error
            }
        } catch {
            // Clients decide how often this happens, so it must not fill the log.
            guard let count = failures.recordCause(at: Clock.now) else { return }
            logger.warning(
                "\(path): closed \(CountedNoun(count, "connection")), the last one because of \(error)"
            )
        }
    }

    private func add(_ session: ControlSession) throws(SystemCallError) {
        let stream = session.stream
        stream.received = { [weak self, unowned session] in
            self?.receive($0, from: session)
        }
        stream.ended = { [weak self, unowned session] in self?.end(session) }
        stream.interestChanged = { [weak self, unowned session] in
            self?.interestChanged(session)
        }
        session.token = try reactor.add(stream)
        sessions[ObjectIdentifier(session)] = session
    }

    private func log(_ refusal: ConnectionPlaces.Refusal, of user: UID) {
        guard let count = refusals.recordCause(at: Clock.now) else { return }
        logger.warning(
            "\(path): closed \(CountedNoun(count, "connection")) since the last such line, the most recent one from uid \(user): \(refusal); have that user's programs close their connections, or remove the user from the group \(Self.group)"
        )
    }

    private func end(_ session: ControlSession) {
        // A stream may report its end twice in one turn.
        guard sessions.removeValue(forKey: ObjectIdentifier(session)) != nil else { return }
        // One that waits for its turn would keep its descriptor until then, and there may be
        // thousands (G15).
        if session.isQueued { queue.removeAll { $0 === session } }
        places.leave(session.user)
        session.token.map(reactor.remove)
        // Listing a thousand modules uses megabytes for a moment.
        if session.hasListed && sessions.isEmpty { MallocTrim.giveBack() }
    }

    private func receive(_ bytes: ArraySlice<UInt8>, from session: ControlSession) {
        do throws(VarlinkFraming.TooLong) {
            try session.receive(bytes)
            enqueue(session)
        } catch {
            end(session)
        }
    }

    /// Whether `serveNext` has a call to answer.
    var hasBacklog: Bool { !queue.isEmpty }

    /// Answers one call. Call this once per turn. Listing all modules is the slowest operation of
    /// the loop, and clients must not delay everything else (G15).
    func serveNext() {
        guard !queue.isEmpty else { return }
        let index = queue.firstIndex { rights(of: $0) == .all } ?? queue.startIndex
        let session = queue.remove(at: index)
        session.isQueued = false
        serve(session)
        enqueue(session)
    }

    private func enqueue(_ session: ControlSession) {
        session.pauseIfBusy()
        guard !session.isQueued, session.canServe,
            sessions[ObjectIdentifier(session)] != nil
        else { return }
        session.isQueued = true
        queue.append(session)
    }

    private func serve(_ session: ControlSession) {
        guard let message = session.nextCall() else { return }
        guard let call = VarlinkMessage.call(message) else {
            // A peer that does not speak Varlink is disconnected.
            return end(session)
        }
        session.isWaiting = true
        answer(call, message, from: session) { [weak self, weak session] answer in
            guard let self, let session else { return }
            session.isWaiting = false
            session.stream.send(call.oneway == true ? [] : answer)
            enqueue(session)
        }
    }

    private func interestChanged(_ session: ControlSession) {
        guard let token = session.token, (try? reactor.update(token)) != nil else {
            return end(session)
        }
        enqueue(session)
    }

    // MARK: Methods

    private static let methods = Dictionary(
        uniqueKeysWithValues: (ControlInterface.methods + VarlinkService.methods).map {
            ($0.name, $0)
        })

    private func answer(
        _ call: VarlinkMessage.Call, _ message: [UInt8], from session: ControlSession,
        _ send: @escaping ([UInt8]) -> Void
    ) {
        let rights = rights(of: session)
        guard rights != .none else { return send(ControlError.permissionDenied.message) }
        guard let method = Self.methods[call.method] else {
            return send(Self.absence(of: call.method).message)
        }
        guard rights >= method.rights else { return send(ControlError.permissionDenied.message) }
        session.hasListed = session.hasListed || method == ControlInterface.List.self
        method.answer(message, host, send)
    }

    private static func absence(of method: String) -> ControlError {
        let interface = method.split(separator: ".").dropLast().joined(separator: ".")
        return VarlinkService.definitions[interface] == nil
            ? .interfaceNotFound(interface) : .methodNotFound(method)
    }

    private func rights(of session: ControlSession) -> ControlRights {
        guard let peer = session.peer else { return .none }
        if peer.uid == 0 || peer.uid == UserAccount.daemon.uid { return .all }
        return readers.map(peer.groups.contains) ?? false ? .reading : .none
    }
}
