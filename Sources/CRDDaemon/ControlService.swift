// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import DequeModule
import Glibc
import Logging
import SystemPackage

/// Serves `org.crd.Reactor` and `org.varlink.service` on the daemon's socket (G13).
final class ControlService {
    /// So many at once; further ones are hung up on.
    private static let connectionsMax = 64
    /// Members may ask, but not change anything.
    private static let group = "crd"

    private final class Connection {
        let stream: SocketStream
        var token: Reactor.Token?
        var framing = VarlinkFraming()
        /// Calls that wait until the answer before theirs was taken. Nothing is read meanwhile, so
        /// they are no more than came in one read.
        var calls = Deque<[UInt8]>()
        /// Whether it was told of all modules.
        var hasListed = false

        init(_ stream: SocketStream) {
            self.stream = stream
        }
    }

    private let reactor: Reactor
    private let logger: Logger
    private let list: () -> ReactorInterface.Listing
    private let readers: GID?
    private var connections: [ObjectIdentifier: Connection] = [:]
    private let path: FilePath

    /// Binds the socket and begins to listen.
    ///
    /// - Parameter list: answers `List`.
    init(
        _ path: FilePath, reactor: Reactor, logger: Logger,
        list: @escaping () -> ReactorInterface.Listing
    ) throws(SystemCallError) {
        self.path = path
        self.reactor = reactor
        self.logger = logger
        self.list = list
        // Only root can give a file to a group that it is not in.
        readers = geteuid() == 0 ? UserAccount.group(named: Self.group) : nil
        let listener = try SocketListener(path, group: readers) { [weak self] stream in
            self?.accept(stream)
        }
        _ = try reactor.add(listener)
    }

    /// Takes the socket's file away, so that nobody waits for an answer.
    func close() {
        _ = path.withPlatformString { unlink($0) }
    }

    private func accept(_ stream: SocketStream) {
        guard connections.count < Self.connectionsMax else {
            logger.warning(
                "more than \(Self.connectionsMax) connections to \(path); one was closed")
            return
        }
        let connection = Connection(stream)
        let key = ObjectIdentifier(connection)
        stream.received = { [weak self, unowned connection] in
            self?.receive($0, from: connection)
        }
        stream.ended = { [weak self, unowned connection] in self?.end(connection) }
        stream.interestChanged = { [weak self, unowned connection] in
            self?.interestChanged(connection)
        }
        do throws(SystemCallError) {
            connection.token = try reactor.add(stream)
            connections[key] = connection
        } catch {
            logger.warning("\(error); a connection was closed")
        }
    }

    private func end(_ connection: Connection) {
        connection.token.map(reactor.remove)
        connections[ObjectIdentifier(connection)] = nil
        // A list of a thousand modules takes megabytes for a moment.
        if connection.hasListed && connections.isEmpty { FreeMemory.giveBack() }
    }

    private func receive(_ bytes: ArraySlice<UInt8>, from connection: Connection) {
        do throws(VarlinkFraming.TooLong) {
            connection.calls.append(contentsOf: try connection.framing.feed(bytes))
            serve(connection)
        } catch {
            end(connection)
        }
    }

    private func serve(_ connection: Connection) {
        while !connection.stream.isWriting, let message = connection.calls.popFirst() {
            guard let answer = answer(message, from: connection) else { return end(connection) }
            connection.stream.send(answer)
        }
    }

    private func interestChanged(_ connection: Connection) {
        guard let token = connection.token, (try? reactor.update(token)) != nil else {
            return end(connection)
        }
        serve(connection)
    }

    // MARK: Methods

    /// Nil for what is not Varlink: the connection has no future.
    private func answer(_ message: [UInt8], from connection: Connection) -> [UInt8]? {
        guard let call = VarlinkMessage.call(message) else { return nil }
        connection.hasListed = connection.hasListed || call.method.hasSuffix(".List")
        let answer =
            mayRead(connection.stream)
            ? dispatch(call.method, message)
            : VarlinkMessage.error("\(ReactorInterface.name).PermissionDenied")
        return call.oneway == true ? [] : answer
    }

    private func mayRead(_ stream: SocketStream) -> Bool {
        guard let peer = try? stream.peer() else { return false }
        if peer.uid == 0 || peer.uid == UserAccount.daemon.uid { return true }
        return readers.map(peer.groups.contains) ?? false
    }

    private func dispatch(_ method: String, _ message: [UInt8]) -> [UInt8] {
        switch method {
        case "\(ReactorInterface.name).List":
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
