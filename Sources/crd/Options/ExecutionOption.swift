// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules

/// `-x NAME`, only for help and completion: `CRD.main()` handles it before the parser, since all
/// arguments after the name belong to the module.
struct ExecutionOption: ParsableArguments {
    @Option(
        name: .customShort("x"),
        help: ArgumentHelp(
            "Execute this support module, or this user module's check, in place of crd.",
            valueName: "name"),
        completion: .custom { words, _, _ in moduleNames(words) })
    var name: String?

    func validate() throws {
        guard name == nil else {
            throw ValidationError("-x comes first, with nothing but --config FILE before it")
        }
    }

    static func moduleNames(_ words: [String]) -> [String] {
        let file = words.firstIndex(of: "--config").map { words.index(after: $0) }
            .flatMap { words.indices.contains($0) ? words[$0] : nil }
        let configuration = ConfigurationFile.atRest(file).configuration
        return ModuleDirectories(configuration, switchesUsers: true).contents()
            .modules.map(\.name.description)
    }
}
