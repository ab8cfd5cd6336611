// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import FoundationEssentials
import Glibc
public import SystemPackage

/// Sends a request to a running daemon and waits for the answer.
public enum ControlClient {
    /// Far more than ten thousand modules need.
    private static let replyMax = 64 << 20

    /// The daemon answered with an error, or with an invalid message.
    public struct Refused: Error, CustomStringConvertible {
        public let description: String
    }

    private struct Call: Encodable {
        var method: String
        var parameters = VarlinkMessage.Nothing()
    }

    private struct Reply<Parameters: Decodable>: Decodable {
        var parameters: Parameters
    }

    private struct Failure: Decodable {
        var error: String?
    }

    /// The files were read again, but some of them have faults.
    public struct ReloadRefused: Error {
        public let complaints: [String]
    }

    /// Returns the daemon's modules.
    ///
    /// - Parameter patience: how many seconds to wait for each part of the answer; nil: without
    ///   limit.
    /// - Throws: `SystemCallError` if no daemon answers at `socket`, with `EAGAIN` if it does not
    ///   answer in time; `Refused`.
    public static func list(
        at socket: FilePath, patience: Int? = nil
    ) throws -> ControlInterface.Listing {
        try call("\(ControlInterface.name).List", at: socket, patience)
    }

    /// Makes the daemon read its files again, and waits until it has.
    ///
    /// - Throws: as `list`; `ReloadRefused`.
    public static func reload(at socket: FilePath) throws -> ControlInterface.Reloaded {
        try call("\(ControlInterface.name).Reload", at: socket)
    }

    private static func call<Parameters: Decodable>(
        _ method: String, at path: FilePath, _ patience: Int? = nil
    ) throws -> Parameters {
        let socket = try Descriptor.connected(to: path)
        if let patience {
            var time = timeval(tv_sec: patience, tv_usec: 0)
            try systemCall("setsockopt", on: path.string) {
                setsockopt(
                    socket.rawValue, SOL_SOCKET, SO_RCVTIMEO, &time,
                    socklen_t(MemoryLayout<timeval>.size))
            }
        }
        let message: [UInt8]
        do {
            message = try exchange(
                try Array(JSONEncoder().encode(Call(method: method))), socket, path)
        } catch let error as SystemCallError where isHangUp(error) {
            throw hungUp(path)
        }
        // An error reply has parameters of its own, so the error is decoded first.
        let failure = try JSONDecoder().decode(Failure.self, from: Data(message))
        if failure.error == "\(ControlInterface.name).ReloadRefused" {
            let refusal = try JSONDecoder().decode(
                Reply<ControlInterface.ReloadRefused>.self, from: Data(message))
            throw ReloadRefused(complaints: refusal.parameters.complaints)
        }
        if failure.error == "\(ControlInterface.name).PermissionDenied" {
            throw Refused(
                description:
                    "the daemon at \(path) does not allow \(UserAccount.daemon.name) to do that: "
                    + "only root may change anything, and only root and the members of the group "
                    + "crd may read; run crd as root, or join the group")
        }
        if failure.error == "\(ControlInterface.name).Stopping" {
            throw Refused(
                description:
                    "the daemon at \(path) is stopping; try again when it has been restarted")
        }
        if let error = failure.error {
            throw Refused(description: "the daemon at \(path) answered: \(error)")
        }
        return try JSONDecoder().decode(Reply<Parameters>.self, from: Data(message)).parameters
    }

    /// Sends one call and waits for the message that answers it.
    private static func exchange(
        _ call: [UInt8], _ socket: borrowing Descriptor, _ path: FilePath
    ) throws -> [UInt8] {
        try socket.sendAll(call + [0], subject: path.string)
        var framing = VarlinkFraming(lengthMax: replyMax)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try systemCall("read", on: path.string) {
                read(socket.rawValue, &buffer, buffer.count)
            }
            guard count > 0 else { throw hungUp(path) }
            if let message = try framing.feed(buffer[..<count]).first { return message }
        }
    }

    private static func isHangUp(_ error: SystemCallError) -> Bool {
        error.errno == .brokenPipe || error.errno == .connectionReset
    }

    private static func hungUp(_ path: FilePath) -> Refused {
        Refused(
            description: "the daemon at \(path) closed the connection without answering: it has "
                + "stopped, or has reached its connection limit; try again, and look at its log")
    }
}
