// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// A whole machine's worth of systemd, as process 1 of a container on a copy of the root file system
/// that holds only what is changed.
///
/// What runs in it ends when it is dropped, and all that it wrote is gone. A local constant is
/// dropped after its last use, not at the end of the test.
final class SystemdBox {
    /// Visible only inside `mounts`, with all mounts below it.
    private let root: String
    private let mounts: MountNamespace
    private let cgroups: [ScratchCgroup]
    private var nspawn: Program?
    /// Process 1 of the container, in our numbers.
    private var manager: pid_t = 0

    static let isPossible: Bool =
        MountNamespace.isPossible && Surroundings.find("systemd-nspawn") != nil
        && Surroundings.find("ldd") != nil && (try? ScratchCgroup()) != nil
    static let needs =
        "\(MountNamespace.needs), systemd-nspawn, and a cgroup2 in which cgroups can be made"

    /// Leaves out our units that a machine would start by itself: they are not under test, and take
    /// time.
    private static let target = "box.target"

    /// Nothing runs yet: files can be put where they are wanted.
    init() throws {
        mounts = try MountNamespace(
            """
            empty /run/systemd
            mkdir "$layers/root"
            overlay / "$layers/root"
            """)
        root = "\(mounts.directory)/layers/root"
        // Two boxes would share one otherwise; systemd-nspawn wants one in each systemd hierarchy.
        let name = ScratchCgroup.newName()
        cgroups = try Surroundings.systemdCgroupMounts.map { try ScratchCgroup(name, in: $0) }
        let machineID = UUID().uuidString.lowercased().filter(\.isHexDigit)
        try write("\(machineID)\n", to: "/etc/machine-id")
        // The machine's own mounts cannot be made once more.
        try write("", to: "/etc/fstab")
        try write(
            """
            [Unit]
            Requires=sysinit.target
            Wants=dbus.socket
            After=sysinit.target dbus.socket

            """, to: "/etc/systemd/system/\(Self.target)")
    }

    deinit {
        for cgroup in cgroups { cgroup.empty() }
    }

    // MARK: Files

    /// Writes a file, before the boot or after it.
    func write(_ text: String, to path: String, mode: mode_t = 0o644) throws {
        let full = URL(fileURLWithPath: mounts.path(root + path))
        try FileManager.default.createDirectory(
            at: full.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Program.startingOrWriting.withLock { try Data(text.utf8).write(to: full) }
        chmod(full.path, mode)
    }

    /// The content of a file; nil if there is none.
    func read(_ path: String) -> String? {
        FileManager.default.contents(atPath: mounts.path(root + path))
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// Copies a file, or a directory with all that is in it, so that nobody but root may change it.
    func copy(_ source: String, to path: String) async throws {
        let target = root + path
        try await mounts.run(
            """
            mkdir -p "$(dirname '\(target)')" && cp -RT '\(source)' '\(target)' &&
                chmod -R go-w '\(target)'
            """)
    }

    /// Puts the program under test, its unit and its directories in the places that an
    /// installation gives them.
    ///
    /// - Parameter modules: names of those in examples/modules that are wanted.
    func install(modules: [String] = []) async throws {
        try await copy(Binary.path, to: "/usr/bin/crd")
        let unit = "crd.service"
        try await copy("\(Repository.path)/systemd/\(unit)", to: "/usr/lib/systemd/system/\(unit)")
        for name in modules {
            try await copy(
                "\(Repository.path)/examples/modules/\(name)", to: "/opt/CRD/modules/\(name)")
        }
        try await mounts.run(
            "cd '\(root)' && mkdir -p etc/CRD opt/CRD/modules opt/CRD/support")
    }

    // MARK: Running

    /// Starts it and waits until it is up. Also after `powerOff()`, with all that was written.
    func boot() async throws {
        let libraries = try await Self.libraries(in: mounts.directory)
        let program = try Program(
            cgroups.flatMap(\.prefix) + mounts.prefix + [
                Surroundings.find("systemd-nspawn") ?? "systemd-nspawn", "--quiet",
                "--directory=\(root)", "--boot", "--register=no", "--keep-unit",
                "--machine=\(ScratchCgroup.newName())", "--private-network", "--link-journal=no",
                "--resolv-conf=off", "--timezone=off", "--console=pipe",
                // A machine that is not a container lets root do this.
                "--system-call-filter=perf_event_open",
            ] + libraries.map { "--bind-ro=\($0)" }
                + ["--", "--unit=\(Self.target)"],
            environment: mounts.environment.merging(
                ["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"]) { $1 },
            output: log, errors: log)
        nspawn = program
        try await eventually("process 1 is there") {
            guard !program.hasEnded else { throw Trouble("it ended at once: \(said)") }
            manager = Self.manager(of: program.pid) ?? 0
            return manager != 0
        }
        let state = try await run("systemctl is-system-running --wait || :")
        guard state == "running\n" else {
            let failed = try await run("systemctl list-units --failed --plain --no-legend || :")
            throw Trouble("it is \(state)\(failed)\(said)")
        }
    }

    /// Shuts it down like a machine: running services are asked to stop.
    func powerOff() async throws {
        // The shell may be gone before it can answer.
        _ = try await Outcome.of(
            prefix + ["/bin/systemctl", "poweroff"], environment: mounts.environment,
            in: mounts.directory)
        try await nspawn?.end()
        nspawn = nil
        manager = 0
    }

    /// A prefix that runs a command inside.
    var prefix: [String] {
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return [
            Surroundings.find("nsenter") ?? "nsenter", "--target", "\(manager)", "--all", "--",
            "/usr/bin/env", "--ignore-environment", "PATH=\(path)", "LANG=C.UTF-8",
        ]
    }

    /// Runs a shell inside, to its end.
    ///
    /// - Returns: what it has printed.
    /// - Throws: `Trouble` with what it said, if it failed.
    @discardableResult
    func run(_ script: String) async throws -> String {
        try await outcome(of: script).output(of: script)
    }

    /// The same, however it ends.
    func outcome(of script: String) async throws -> Outcome {
        try await .of(
            prefix + ["/bin/sh", "-c", script], environment: mounts.environment,
            in: mounts.directory)
    }

    /// The newest entries of its journal, for the complaints of a test.
    func journal(_ options: String = "") async throws -> String {
        try await run("journalctl --sync; journalctl --no-pager --lines=50 \(options)")
    }

    // MARK: What is there

    /// Names by which leftovers can be found.
    var traces: (directory: String, cgroups: [String]) {
        (mounts.directory, cgroups.map(\.path))
    }

    /// All its processes, in our numbers.
    var processes: [pid_t] { cgroups.first?.members ?? [] }

    private var log: String { "\(mounts.directory)/console" }
    private var said: String {
        (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
    }

    /// The first children of systemd-nspawn do something else and end.
    private static func manager(of nspawn: pid_t) -> pid_t? {
        Processes.children(of: nspawn).first {
            Processes.status($0, "NSpid")?.hasSuffix("\t1") == true
                && access("/proc/\($0)/root/run/systemd/private", F_OK) == 0
        }
    }

    /// Directories of shared libraries that the program under test needs and that an overlay of the
    /// root lacks, since something else is mounted there.
    private static func libraries(in directory: String) async throws -> [String] {
        let ldd = try await Outcome.of(
            [Surroundings.find("ldd") ?? "ldd", Binary.path], in: directory
        ).output(of: "ldd")
        let paths = ldd.split(separator: "\n").compactMap { line in
            line.split(separator: " ").first { $0.hasPrefix("/") }.map(String.init)
        }
        let directories = paths.map {
            URL(fileURLWithPath: $0).resolvingSymlinksInPath().deletingLastPathComponent().path
        }
        let places = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)
            .split(separator: "\n").map { $0.split(separator: " ")[1] + "/" }
        return Set(directories).sorted().filter { directory in
            places.contains { $0 != "//" && "\(directory)/".hasPrefix($0) }
        }
    }
}
