// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import CRDCore
import CRDLinux
import FoundationEssentials
import Glibc
public import SystemPackage

/// Asks a running daemon, and waits for the answer.
public enum ControlClient {
    /// Far more than ten thousand modules need.
    private static let replyMax = 64 << 20

    /// The daemon answered with an error, or not as a daemon does.
    public struct Refused: Error, CustomStringConvertible {
        public let description: String
    }

    private struct Call: Encodable {
        var method: String
        var parameters = VarlinkMessage.Nothing()
    }

    private struct Reply<Parameters: Decodable>: Decodable {
        var error: String?
        var parameters: Parameters?
    }

    /// - Throws: `SystemCallError` where nobody answers at `socket`; `Refused`.
    public static func list(at socket: FilePath) throws -> ReactorInterface.Listing {
        try call("\(ReactorInterface.name).List", at: socket)
    }

    private static func call<Parameters: Decodable>(
        _ method: String, at path: FilePath
    ) throws -> Parameters {
        let socket = Descriptor(
            adopting: try systemCall("connect", on: path.string) {
                crd_unix_connect(path.string)
            })
        try socket.writeAll(try Array(JSONEncoder().encode(Call(method: method))) + [0])
        var framing = VarlinkFraming(lengthMax: replyMax)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try systemCall("read", on: path.string) {
                read(socket.rawValue, &buffer, buffer.count)
            }
            guard count > 0 else {
                throw Refused(description: "the daemon at \(path) hung up without an answer")
            }
            guard let message = try framing.feed(buffer[..<count]).first else { continue }
            let reply = try JSONDecoder().decode(Reply<Parameters>.self, from: Data(message))
            if let parameters = reply.parameters, reply.error == nil { return parameters }
            throw Refused(
                description: "the daemon at \(path) answered: \(reply.error ?? "nothing")")
        }
    }
}
