// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Glibc
import SystemPackage

/// The part of an executable's environment that is the same for every run.
///
/// Built afresh: of the daemon's own environment only `PATH`, `LANG` and `TZ` are handed on, so
/// what the service manager meant for the daemon never reaches a module.
struct BaseEnvironment {
    private static let standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// What many modules have in common, in memory too.
    private let common: CStringBlock
    private let own: CStringBlock

    /// Ready to have a run's own variables appended.
    var block: CStringBlock {
        var block = common
        block.append(contentsOf: own)
        return block
    }

    /// The blocks that modules share.
    final class Commons {
        fileprivate struct Key: Hashable {
            let account: UserAccount
            let environment: [String: String]
        }

        fileprivate static let countMax = 1_024
        fileprivate var blocks: [Key: CStringBlock] = [:]
    }

    init(
        _ module: InstalledModule, _ role: Role, as account: UserAccount, state: FilePath,
        configuration: ConfigurationFile, sharing commons: Commons
    ) {
        var own = CStringBlock()
        own.append("CRD_MODULE", module.name.description)
        own.append("CRD_ROLE", role.rawValue)
        own.append("CRD_STATE", state.string)
        self.own = own
        let key = Commons.Key(account: account, environment: module.manifest.environment)
        if let known = commons.blocks[key] {
            common = known
        } else {
            common = Self.common(account, module.manifest.environment, configuration)
            // Files that change all the time must not fill it.
            if commons.blocks.count >= Commons.countMax { commons.blocks = [:] }
            commons.blocks[key] = common
        }
    }

    private static func common(
        _ account: UserAccount, _ environment: [String: String], _ configuration: ConfigurationFile
    ) -> CStringBlock {
        var others = [
            "PATH": Self.path, "HOME": account.home, "USER": account.name,
            "LOGNAME": account.name, "SHELL": account.shell,
        ]
        for name in ["LANG", "TZ"] {
            if let value = getenv(name) { others[name] = String(cString: value) }
        }
        others.merge(environment) { $1 }
        var block = CStringBlock()
        block.append("CRD_CONFIG", configuration.path.string)
        block.append("CRD_SOCKET", configuration.configuration.socketPath.string)
        block.append("CRD_EVENTS", "/dev/fd/3")
        for (name, value) in others.sorted(by: { $0.key < $1.key }) { block.append(name, value) }
        return block
    }

    /// The daemon's, with the directory of the running crd at its end if that is not in it, so
    /// that a module can call `crd -x`.
    private static let path: String = {
        let inherited = getenv("PATH").map { String(cString: $0) } ?? ""
        let path = inherited.isEmpty ? standardPath : inherited
        guard let directory = ownDirectory,
            !path.split(separator: ":").contains(Substring(directory))
        else { return path }
        return "\(path):\(directory)"
    }()

    private static var ownDirectory: String? {
        SymbolicLink.target(of: "/proc/self/exe")?.removingLastComponent().string
    }
}

extension Configuration {
    /// Where the daemon listens.
    public var socketPath: FilePath { FilePath(runtime).appending("crd.sock") }
}
