// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A mount namespace (mount_namespaces(7)) in which a test can replace files and directories of the
/// machine.
///
/// Only our descriptors keep it, so that it goes with its mounts when it is dropped, and also when
/// the test run is killed.
final class MountNamespace {
    /// The same inside and outside; nothing else that a test makes is in it.
    let directory: String
    /// For processes inside, so that they can be found.
    let environment: [String: String]
    private let namespace: CInt
    private let top: CInt

    static let isPossible: Bool =
        Surroundings.hasNamespaces && (try? MountNamespace("overlay /dev /dev")) != nil
    static let needs = "needs root, unshare, nsenter, and the right to mount tmpfs and overlay"

    /// Functions for the scripts.
    private static let functions = """
        set -eu
        layers=$DIRECTORY/layers
        mkdir "$layers"
        mount -t tmpfs -o mode=755 tmpfs "$layers"

        # overlay BELOW PLACE: what is changed at PLACE changes nothing in BELOW.
        overlay() {
            layer=$(mktemp -d "$layers/XXXXXX")
            mkdir "$layer/upper" "$layer/work"
            mount -t overlay -o "lowerdir=$1,upperdir=$layer/upper,workdir=$layer/work" overlay "$2"
        }

        # empty DIRECTORY...: each is empty, and is there even if the machine has none.
        empty() {
            for place in "$@"; do
                above=${place%/*}
                [ -d "$place" ] || { overlay "$above" "$above" && mkdir "$place"; }
                mount -t tmpfs -o mode=755 tmpfs "$place"
            done
        }

        """

    /// - Parameter script: what to mount; `overlay BELOW PLACE` and `empty DIRECTORY...` help. In
    ///   `$DIRECTORY/layers` is room for more.
    init(_ script: String) throws {
        directory = try TemporaryDirectory.make()
        Janitor.shared.expect(directory, "")
        environment = World.environment.merging(["DIRECTORY": directory]) { $1 }
        let ready = "\(directory)/ready"
        let log = "\(directory)/log"
        var opened: [CInt] = []
        do {
            let holder = try Program(
                Namespace.mount.entering("\(Self.functions)\(script)\n: >'\(ready)'")
                    + ["/bin/sleep", "1000000"],
                environment: environment, output: log, errors: log)
            let end = ContinuousClock.now + patience
            while access(ready, F_OK) != 0 {
                guard !holder.hasEnded, ContinuousClock.now < end else {
                    let said = try? String(contentsOfFile: log, encoding: .utf8)
                    throw Trouble("no mount namespace: \(said ?? "it says nothing")")
                }
                usleep(500)
            }
            for (name, flags) in [("ns/mnt", O_RDONLY), ("root", O_RDONLY | O_DIRECTORY)] {
                let descriptor = open("/proc/\(holder.pid)/\(name)", flags | O_CLOEXEC)
                guard descriptor >= 0 else { throw Trouble("\(name) cannot be opened: \(errno)") }
                opened.append(descriptor)
            }
        } catch {
            for descriptor in opened { close(descriptor) }
            try? FileManager.default.removeItem(atPath: directory)
            throw error
        }
        namespace = opened[0]
        top = opened[1]
    }

    deinit {
        for _ in 0..<100 {
            let left = Processes.mentioning(directory)
            if left.isEmpty { break }
            for pid in left { kill(pid, SIGKILL) }
            usleep(10_000)
        }
        close(top)
        close(namespace)
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// An inside path in a form that only this process can use.
    func path(_ inside: String) -> String { "/proc/self/fd/\(top)\(inside)" }

    /// A prefix that runs a command inside.
    var prefix: [String] {
        let nsenter = Surroundings.find("nsenter") ?? "nsenter"
        return [nsenter, "--mount=/proc/\(getpid())/fd/\(namespace)", "--"]
    }

    /// Runs a shell inside, to its end.
    ///
    /// - Returns: what it has printed.
    /// - Throws: `Trouble` with what it said, if it failed.
    @discardableResult
    func run(_ script: String) async throws -> String {
        try await Outcome.of(
            prefix + ["/bin/sh", "-c", script], environment: environment, in: directory
        ).output(of: script)
    }
}
