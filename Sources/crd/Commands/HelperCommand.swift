// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDDaemon
import CRDLinux
import Glibc
import SystemPackage

/// Runs one of the daemon's helper processes (`HelperProcess`).
struct HelperCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "helper",
        abstract: "Run operations that might block, on behalf of the daemon.",
        discussion: "The daemon starts it, with a socket as descriptor 3. Not for users.",
        shouldDisplay: false)

    @Argument(help: "What it does: paths, accounts, mounts or outputs.")
    var kind: String

    private static let socket: CInt = 3

    func run() throws {
        guard fcntl(Self.socket, F_SETFD, FD_CLOEXEC) == 0,
            let socket = try? MessageSocket(adopting: Descriptor(adopting: Self.socket))
        else { throw ValidationError("crd daemon starts its helpers itself; run: crd --help") }
        do {
            try serve(socket)
        } catch let error as SystemCallError
            where [.brokenPipe, .connectionReset].contains(error.errno)
        {
            // The daemon has closed the connection, so the helper is no longer needed.
        }
    }

    private func serve(_ socket: MessageSocket) throws {
        switch kind {
        case "paths": try PathHelper(socket).run()
        case "accounts": try AccountHelper(socket).run()
        case "mounts": try MountHelper(socket).run()
        case "outputs": try OutputHelper(socket).run()
        default: throw ValidationError("there is no helper '\(kind)'")
        }
    }
}
