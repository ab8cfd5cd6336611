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

    /// Ready to have a run's own variables appended.
    let block: CStringBlock

    init(
        _ module: InstalledModule, _ role: Role, as account: UserAccount, state: FilePath,
        configuration: ConfigurationFile
    ) {
        let own = [
            ("CRD_MODULE", module.name.description),
            ("CRD_ROLE", role.rawValue),
            ("CRD_STATE", state.string),
            ("CRD_CONFIG", configuration.path.string),
            ("CRD_SOCKET", configuration.configuration.socketPath.string),
            ("CRD_EVENTS", "/dev/fd/3"),
        ]
        var others = [
            "PATH": Self.path, "HOME": account.home, "USER": account.name,
            "LOGNAME": account.name, "SHELL": account.shell,
        ]
        for name in ["LANG", "TZ"] {
            if let value = getenv(name) { others[name] = String(cString: value) }
        }
        others.merge(module.manifest.environment) { $1 }
        var block = CStringBlock()
        for (name, value) in own { block.append(name, value) }
        for (name, value) in others.sorted(by: { $0.key < $1.key }) { block.append(name, value) }
        self.block = block
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
