// SPDX-License-Identifier: GPL-3.0-or-later

/// `org.varlink.service`, which every Varlink service offers for introspection.
enum VarlinkService {
    static let name = "org.varlink.service"

    static let definition = """
        # The Varlink Service Interface is provided by every varlink service. It
        # describes the service and the interfaces it implements.
        interface org.varlink.service

        method GetInfo() -> (
          vendor: string,
          product: string,
          version: string,
          url: string,
          interfaces: []string
        )

        method GetInterfaceDescription(interface: string) -> (description: string)

        error InterfaceNotFound (interface: string)
        error MethodNotFound (method: string)
        error MethodNotImplemented (method: string)
        error InvalidParameter (parameter: string)
        error PermissionDenied ()
        error ExpectedMore ()

        """

    static let definitions = [
        name: definition, ControlInterface.name: ControlInterface.definition,
    ]

    /// The result of `GetInfo`.
    struct Info: Encodable {
        var vendor = "CRD"
        var product = "crd"
        var version = Version.current
        var url = ""
        var interfaces = definitions.keys.sorted()
    }

    private struct Request: Decodable {
        var interface: String
    }

    static func describe(_ message: [UInt8]) -> [UInt8] {
        guard let request = VarlinkMessage.parameters(of: message, as: Request.self) else {
            return VarlinkMessage.error("\(name).InvalidParameter", ["parameter": "interface"])
        }
        guard let definition = definitions[request.interface] else {
            return VarlinkMessage.error(
                "\(name).InterfaceNotFound", ["interface": request.interface])
        }
        return VarlinkMessage.reply(["description": definition])
    }
}
