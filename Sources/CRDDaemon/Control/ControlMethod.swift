// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// A method that the daemon's socket answers, with the types of its parameters and its reply.
///
/// `ControlTests` compares these types with the text of the interface.
protocol ControlMethod: SendableMetatype {
    associatedtype Parameters: Decodable
    associatedtype Reply: Encodable

    /// The interface's name, a dot and the method's.
    static var name: String { get }
    /// What a caller must be allowed.
    static var rights: ControlRights { get }

    /// Answers a call, at once or later.
    static func call(
        _ parameters: Parameters, _ host: any ControlHost,
        _ reply: @escaping (Result<Reply, ControlError>) -> Void)
}

extension ControlMethod {
    /// Answers a message, at once or later, with the message to send.
    static func answer(
        _ message: [UInt8], _ host: any ControlHost, _ send: @escaping ([UInt8]) -> Void
    ) {
        do throws(VarlinkMessage.InvalidParameter) {
            call(try VarlinkMessage.parameters(of: message, as: Parameters.self), host) {
                switch $0 {
                case .success(let reply): send(VarlinkMessage.reply(reply))
                case .failure(let error): send(error.message)
                }
            }
        } catch {
            send(ControlError.invalidParameter(error.name).message)
        }
    }
}

/// What a connection's user may do.
enum ControlRights: Comparable {
    case none
    /// Members of the socket's group.
    case reading
    /// Root, and the daemon's own user.
    case all
}

/// The errors of all methods.
enum ControlError: Error {
    case permissionDenied
    case stopping
    case reloadRefused(ControlInterface.ReloadRefused)
    case interfaceNotFound(String)
    case methodNotFound(String)
    case invalidParameter(String)

    var message: [UInt8] {
        let (crd, varlink) = (ControlInterface.name, VarlinkService.name)
        return switch self {
        case .permissionDenied: VarlinkMessage.error("\(crd).PermissionDenied")
        case .stopping: VarlinkMessage.error("\(crd).Stopping")
        case .reloadRefused(let parameters):
            VarlinkMessage.error("\(crd).ReloadRefused", parameters)
        case .interfaceNotFound(let name):
            VarlinkMessage.error("\(varlink).InterfaceNotFound", ["interface": name])
        case .methodNotFound(let name):
            VarlinkMessage.error("\(varlink).MethodNotFound", ["method": name])
        case .invalidParameter(let name):
            VarlinkMessage.error("\(varlink).InvalidParameter", ["parameter": name])
        }
    }
}
