// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A shell script of a user whom root does not trust.
struct Attacker {
    private let program: Program

    static let isPossible =
        Surroundings.isRoot
        && ["setpriv", "perl", "python3"].allSatisfy { Surroundings.find($0) != nil }
    static let needs = "needs root, setpriv, perl and python3"

    var pid: pid_t { program.pid }

    /// - Parameters:
    ///   - user: a system user that nothing else runs as.
    ///   - prefix: a command that runs it elsewhere.
    init(_ user: String, in prefix: [String] = [], _ script: String) throws {
        program = try Program(
            prefix + [
                Surroundings.find("setpriv") ?? "setpriv", "--reuid", user, "--regid", user,
                "--clear-groups", "/bin/sh", "-c", script,
            ], environment: World.environment, output: "/dev/null", errors: "/dev/null")
    }

    /// Takes a write lease on a file, makes a note, and keeps the lease however often the kernel asks
    /// for it back (`F_SETLEASE` with `F_WRLCK`).
    static func lease(on file: String, as user: String, noting note: String) throws -> Attacker {
        try Attacker(
            user,
            """
            exec perl -e '
                $SIG{IO} = "IGNORE";
                while (1) {
                    my $file;
                    if (open($file, "+<", $ARGV[0]) && fcntl($file, 1024, 1)) {
                        open(my $note, ">", $ARGV[1]);
                        sleep 1000 while 1;
                    }
                    select(undef, undef, undef, 0.01);
                }' '\(file)' '\(note)'
            """)
    }

    /// Waits for the script's end.
    func hasEnded() async throws -> Program.Ending { try await program.end() }

    func end() async throws {
        program.send(SIGKILL)
        _ = try await program.end()
    }

    static func give(_ path: String, to user: String) {
        guard let entry = getpwnam(user) else { return }
        chown(path, entry.pointee.pw_uid, entry.pointee.pw_gid)
    }
}
