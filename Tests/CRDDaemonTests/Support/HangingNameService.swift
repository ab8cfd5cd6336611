// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A mount namespace that also looks up users and groups in a directory, whose server answers when
/// a test says so.
final class HangingNameService {
    static let isPossible = MountNamespace.isPossible && Surroundings.compiler != nil
    static let needs = "\(MountNamespace.needs), a C compiler"

    private let namespace: MountNamespace
    private var file: String { "\(namespace.directory)/answer" }

    init() async throws {
        namespace = try MountNamespace(
            """
            sed -e 's/^passwd:.*/passwd: files hang/' -e 's/^group:.*/group: files hang/' \
                /etc/nsswitch.conf >"$DIRECTORY/nsswitch.conf"
            mount --bind "$DIRECTORY/nsswitch.conf" /etc/nsswitch.conf
            """)
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Servers/nss-hang.c").path
        _ = try await Outcome.of(
            [
                Surroundings.compiler ?? "cc", "-shared", "-fPIC", "-Wl,-soname,libnss_hang.so.2",
                "-o",
                "\(namespace.directory)/libnss_hang.so.2", source,
            ], environment: World.environment, in: namespace.directory
        ).output(of: "the compiler")
    }

    var prefix: [String] { namespace.prefix }

    /// For the daemon.
    var environment: [String: String] {
        World.environment.merging(
            ["LD_LIBRARY_PATH": namespace.directory, "NSS_HANG_UNTIL": file]
        ) { $1 }
    }

    var wasAsked: Bool { access("\(file).asked", F_OK) == 0 }

    func answer() {
        close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0o666))
    }

    /// From now on questions are not answered.
    func hang() {
        unlink(file)
    }
}
