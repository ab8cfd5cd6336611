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

    /// The parameters of `GetInterfaceDescription`.
    struct Interface: Decodable {
        var interface: String
    }

    /// The result of `GetInterfaceDescription`.
    struct Description: Encodable {
        var description: String
    }
}
