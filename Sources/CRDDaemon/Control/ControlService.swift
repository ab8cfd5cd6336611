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

    private final class Connection {
        let stream: SocketStream
        /// The user whose limit of connections this one counts towards.
        let user: UID
        /// Read once: the credentials stay those of the moment when the peer connected.
        lazy var peer = try? stream.peer()
        var token: Reactor.Token?
        var framing = VarlinkFraming()
        /// Calls that wait until the previous answer was taken. The socket is not read meanwhile,
        /// so they all came in one read.
        var calls = Deque<[UInt8]>()
        /// Whether one of its calls will be answered later.
        var isWaiting = false
        /// Whether it is in `queue`.
        var isQueued = false
        /// Whether it has listed all modules.
        var hasListed = false

        init(_ stream: SocketStream, of user: UID) {
            self.stream = stream
            self.user = user
        }
    }

    private let reactor: Reactor
    private let logger: Logger
    /// Called after the files were read again; with nil if the daemon stops instead.
    typealias ReloadAnswer = (Reloader.Outcome?) -> Void

    private let list: () -> ControlInterface.Listing
    private let reload: (@escaping ReloadAnswer) -> Void
    private let readers: GID?
    private var connections: [ObjectIdentifier: Connection] = [:]
    private var places = ConnectionPlaces(roots: [0, UserAccount.daemon.uid])
    /// Connections with a call that can be answered, in the order of their calls.
    private var queue = Deque<Connection>()
    private var refusals = RepeatedLine()
    private var failures = RepeatedLine()
    private let path: FilePath

    /// Binds the socket and starts to listen.
    ///
    /// - Parameters:
    ///   - list: answers `List`.
    ///   - reload: requests a reload.
    init(
        _ path: FilePath, reactor: Reactor, logger: Logger,
        list: @escaping () -> ControlInterface.Listing,
        reload: @escaping (@escaping ReloadAnswer) -> Void
    ) throws(SystemCallError) {
        self.path = path
        self.reactor = reactor
        self.logger = logger
        self.list = list
        self.reload = reload
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
            if let refusal = places.take(for: user) { return log(refusal, of: user) }
            do throws(SystemCallError) {
                try add(Connection(stream, of: user))
            } catch {
                places.leave(user)
                throw error
            }
        } catch {
            // Clients decide how often this happens, so it must not fill the log.
            guard let count = failures.note(at: Clock.now) else { return }
            logger.warning("\(path): \(count) connections were closed, the last one by \(error)")
        }
    }

    private func add(_ connection: Connection) throws(SystemCallError) {
        let stream = connection.stream
        stream.received = { [weak self, unowned connection] in
            self?.receive($0, from: connection)
        }
        stream.ended = { [weak self, unowned connection] in self?.end(connection) }
        stream.interestChanged = { [weak self, unowned connection] in
            self?.interestChanged(connection)
        }
        connection.token = try reactor.add(stream)
        connections[ObjectIdentifier(connection)] = connection
    }

    private func log(_ refusal: ConnectionPlaces.Refusal, of user: UID) {
        guard let count = refusals.note(at: Clock.now) else { return }
        logger.warning(
            "\(path): \(count) connections were closed since the last such line, the last one of uid \(user): \(refusal); have its programs close theirs, or take it out of the group \(Self.group)"
        )
    }

    private func end(_ connection: Connection) {
        // A stream may report its end twice in one turn.
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        places.leave(connection.user)
        connection.token.map(reactor.remove)
        // Listing a thousand modules uses megabytes for a moment.
        if connection.hasListed && connections.isEmpty { MallocTrim.giveBack() }
    }

    private func receive(_ bytes: ArraySlice<UInt8>, from connection: Connection) {
        do throws(VarlinkFraming.TooLong) {
            connection.calls.append(contentsOf: try connection.framing.feed(bytes))
            enqueue(connection)
        } catch {
            end(connection)
        }
    }

    /// Whether `serveNext` has a call to answer.
    var hasBacklog: Bool { !queue.isEmpty }

    /// Answers one call. Call this once per turn. Listing all modules is the slowest operation of
    /// the loop, and clients must not delay everything else (G15).
    func serveNext() {
        guard !queue.isEmpty else { return }
        let index = queue.firstIndex { rights(of: $0) == .all } ?? queue.startIndex
        let connection = queue.remove(at: index)
        connection.isQueued = false
        guard connections[ObjectIdentifier(connection)] != nil else { return }
        serve(connection)
        enqueue(connection)
    }

    private func enqueue(_ connection: Connection) {
        // Calls are answered before more is read, so a fast client cannot make the queue grow.
        connection.stream.isPaused = !connection.calls.isEmpty
        guard !connection.isQueued, !connection.calls.isEmpty, !connection.isWaiting,
            !connection.stream.isWriting, connections[ObjectIdentifier(connection)] != nil
        else { return }
        connection.isQueued = true
        queue.append(connection)
    }

    private func serve(_ connection: Connection) {
        guard let message = connection.calls.popFirst() else { return }
        guard let call = VarlinkMessage.call(message) else {
            // A peer that does not speak Varlink is disconnected.
            return end(connection)
        }
        connection.hasListed = connection.hasListed || call.method.hasSuffix(".List")
        guard let answer = answer(call, message, from: connection) else {
            connection.isWaiting = true
            return
        }
        connection.stream.send(call.oneway == true ? [] : answer)
    }

    private func interestChanged(_ connection: Connection) {
        guard let token = connection.token, (try? reactor.update(token)) != nil else {
            return end(connection)
        }
        enqueue(connection)
    }

    // MARK: Methods

    /// Returns nil if the call is answered later.
    private func answer(
        _ call: VarlinkMessage.Call, _ message: [UInt8], from connection: Connection
    ) -> [UInt8]? {
        let denial = VarlinkMessage.error("\(ControlInterface.name).PermissionDenied")
        let rights = rights(of: connection)
        guard rights != .none else { return denial }
        guard call.method == "\(ControlInterface.name).Reload" else {
            return dispatch(call.method, message)
        }
        guard rights == .all else { return denial }
        reload { [weak self, weak connection] outcome in
            guard let self, let connection else { return }
            connection.isWaiting = false
            connection.stream.send(call.oneway == true ? [] : Self.answer(outcome))
            enqueue(connection)
        }
        return nil
    }

    private static func answer(_ outcome: Reloader.Outcome?) -> [UInt8] {
        guard let outcome else {
            return VarlinkMessage.error("\(ControlInterface.name).Stopping")
        }
        guard outcome.complaints.isEmpty else {
            return VarlinkMessage.error(
                "\(ControlInterface.name).ReloadRefused",
                ControlInterface.ReloadRefused(complaints: outcome.complaints.map(\.description)))
        }
        return VarlinkMessage.reply(
            ControlInterface.Reloaded(
                added: outcome.added.map(\.description),
                changed: outcome.changed.map(\.description),
                removed: outcome.removed.map(\.description),
                unready: outcome.unready.map(\.description),
                configurationChanged: outcome.isConfigurationChanged))
    }

    private enum Rights { case none, reading, all }

    private func rights(of connection: Connection) -> Rights {
        guard let peer = connection.peer else { return .none }
        if peer.uid == 0 || peer.uid == UserAccount.daemon.uid { return .all }
        return readers.map(peer.groups.contains) ?? false ? .reading : .none
    }

    private func dispatch(_ method: String, _ message: [UInt8]) -> [UInt8] {
        switch method {
        case "\(ControlInterface.name).List":
            return VarlinkMessage.reply(list())
        case "\(VarlinkService.name).GetInfo":
            return VarlinkMessage.reply(VarlinkService.Info())
        case "\(VarlinkService.name).GetInterfaceDescription":
            return VarlinkService.describe(message)
        default:
            let interface = method.split(separator: ".").dropLast().joined(separator: ".")
            guard VarlinkService.definitions[interface] != nil else {
                return VarlinkMessage.error(
                    "\(VarlinkService.name).InterfaceNotFound", ["interface": interface])
            }
            return VarlinkMessage.error(
                "\(VarlinkService.name).MethodNotFound", ["method": method])
        }
    }
}
