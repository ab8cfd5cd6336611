// SPDX-License-Identifier: GPL-3.0-or-later

extension VarlinkService {
    static let methods: [any ControlMethod.Type] = [
        GetInfo.self, GetInterfaceDescription.self,
    ]

    enum GetInfo: ControlMethod {
        static let name = "\(VarlinkService.name).GetInfo"
        static let rights = ControlRights.reading

        static func call(
            _ parameters: VarlinkMessage.Nothing, _ host: any ControlHost,
            _ reply: (Result<Info, ControlError>) -> Void
        ) {
            reply(.success(Info()))
        }
    }

    enum GetInterfaceDescription: ControlMethod {
        static let name = "\(VarlinkService.name).GetInterfaceDescription"
        static let rights = ControlRights.reading

        static func call(
            _ parameters: Interface, _ host: any ControlHost,
            _ reply: (Result<Description, ControlError>) -> Void
        ) {
            let definition = definitions[parameters.interface]
            reply(
                definition.map { .success(Description(description: $0)) }
                    ?? .failure(.interfaceNotFound(parameters.interface)))
        }
    }
}
