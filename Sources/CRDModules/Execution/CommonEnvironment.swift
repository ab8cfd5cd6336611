// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
public import CRDLinux
import Glibc
public import SystemPackage

/// The environment that the executables of all modules have in common.
///
/// Built from scratch: of crd's own environment only `PATH`, `LANG` and `TZ` are passed on. So the
/// service manager's variables for the daemon never reach a module.
public enum CommonEnvironment {
    static let standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// Returns the variables that are the same for all runs as a user.
    ///
    /// - Parameters:
    ///   - account: the user that the executable runs as.
    ///   - environment: the variables of the manifest.
    public static func block(
        for account: UserAccount, _ environment: [String: String],
        _ configuration: ConfigurationFile
    ) -> CStringBlock {
        var others = [
            "PATH": path, "HOME": account.home, "USER": account.name,
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

    /// Returns the variables of a role, which are the same for every run.
    public static func own(_ module: ModuleName, _ role: Role, state: FilePath) -> CStringBlock {
        var block = CStringBlock()
        block.append("CRD_MODULE", module.description)
        block.append("CRD_ROLE", role.rawValue)
        block.append("CRD_STATE", state.string)
        return block
    }

    /// crd's own `PATH`, or a standard one. The directory of the running crd is appended if it is
    /// missing, so that a module can call `crd -x`.
    static let path: String = {
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

    /// Returns the path of a system program; nil if it is not installed.
    static func program(_ name: String) -> String? {
        path.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}

extension CStringBlock {
    /// Appends the variables of a run, except those of its events.
    public mutating func append(run id: String, _ cause: Cause, events: Int, dropped: Int) {
        append("CRD_RUN", id)
        append("CRD_TRIGGER", cause.rawValue)
        append("CRD_EVENT_COUNT", "\(events)")
        append("CRD_EVENT_DROPPED", "\(dropped)")
    }
}
