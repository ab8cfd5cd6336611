// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

extension ControlInterface {
    static let methods: [any ControlMethod.Type] = [List.self, Reload.self]

    enum List: ControlMethod {
        static let name = "\(ControlInterface.name).List"
        static let rights = ControlRights.reading

        static func call(
            _ parameters: VarlinkMessage.Nothing, _ host: any ControlHost,
            _ reply: (Result<Listing, ControlError>) -> Void
        ) {
            reply(.success(host.listing))
        }
    }

    enum Reload: ControlMethod {
        static let name = "\(ControlInterface.name).Reload"
        static let rights = ControlRights.all

        static func call(
            _ parameters: VarlinkMessage.Nothing, _ host: any ControlHost,
            _ reply: @escaping (Result<Reloaded, ControlError>) -> Void
        ) {
            host.reload { reply(result(of: $0)) }
        }

        private static func result(
            of outcome: Reloader.Outcome?
        ) -> Result<Reloaded, ControlError> {
            guard let outcome else { return .failure(.stopping) }
            guard outcome.complaints.isEmpty else {
                let complaints = outcome.complaints.map(\.description)
                return .failure(.reloadRefused(ReloadRefused(complaints: complaints)))
            }
            return .success(
                Reloaded(
                    added: outcome.added.map(\.description),
                    changed: outcome.changed.map(\.description),
                    removed: outcome.removed.map(\.description),
                    unready: outcome.unready.map(\.description),
                    configurationChanged: outcome.isConfigurationChanged))
        }
    }
}
