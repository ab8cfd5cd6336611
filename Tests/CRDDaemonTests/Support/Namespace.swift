// SPDX-License-Identifier: GPL-3.0-or-later

/// A namespace of the daemon's own (namespaces(7)), which disappears with the daemon, along with
/// all changes in it.
enum Namespace: String {
    case mount, user

    /// A prefix that runs a command in it once `script` has succeeded.
    func entering(_ script: String) -> [String] {
        let way =
            switch self {
            case .mount: ["--mount", "--propagation", "private"]
            case .user: ["--user", "--map-root-user"]
            }
        return [Surroundings.find("unshare") ?? "unshare"] + way
            + ["/bin/sh", "-c", "\(script) && exec \"$@\"", "sh"]
    }

    /// Runs a shell in it, to its end.
    func run(_ script: String, of daemon: Program, in world: World) async throws -> Program.Ending {
        let program = try Program(
            [
                Surroundings.find("nsenter") ?? "nsenter", "--\(rawValue)",
                "--target", "\(daemon.pid)", "/bin/sh", "-c", script,
            ], environment: World.environment, output: world.log, errors: world.log)
        return try await program.end()
    }
}

extension Surroundings {
    /// Whether tests can give a daemon namespaces of its own.
    static let hasNamespaces = isRoot && find("unshare") != nil && find("nsenter") != nil
    static let needsNamespaces = "needs root, unshare and nsenter"
}
