// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// A mount namespace with a file system in user space, whose server can be stopped.
final class UserSpaceMount {
    static let isPossible =
        MountNamespace.isPossible && Surroundings.find("bindfs") != nil
        && access("/dev/fuse", R_OK | W_OK) == 0
    static let needs = "\(MountNamespace.needs), bindfs, /dev/fuse"

    let namespace: MountNamespace
    let server: Program
    var path: String { "\(namespace.directory)/nas" }

    init() async throws {
        let namespace = try MountNamespace(#"mkdir "$DIRECTORY/nas" "$DIRECTORY/disk""#)
        self.namespace = namespace
        let directory = namespace.directory
        server = try Program(
            namespace.prefix + ["/usr/bin/bindfs", "-f", "\(directory)/disk", "\(directory)/nas"],
            environment: namespace.environment, output: "\(directory)/log",
            errors: "\(directory)/log")
        try await eventually("bindfs has mounted") {
            try await namespace.run("grep -c ' \(directory)/nas fuse' /proc/mounts || true")
                .hasPrefix("1")
        }
    }

    deinit { server.send(SIGCONT) }
}
