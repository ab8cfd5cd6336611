// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// Lets only one crd at a time change modules (flock(2)).
final class ModuleLock {
    private static let patience = Duration.seconds(600)

    private let lock: FileLock

    private init(_ lock: consuming FileLock) {
        self.lock = lock
    }

    /// Takes the lock without waiting; returns nil if another process holds it.
    ///
    /// - Throws: `InstallationFailure` if it cannot be taken at all.
    static func acquireAtOnce(_ files: InstallationFiles) throws(InstallationFailure) -> ModuleLock?
    {
        try attempt(files, tries: 2).lock
    }

    /// Runs `body` with the lock held, after an interrupted change was finished or undone.
    static func whileHeld<Value>(
        _ files: InstallationFiles, _ configuration: ConfigurationFile,
        _ console: InstallationConsole, _ body: () throws -> Value
    ) throws -> Value {
        try files.prepare()
        return try withExtendedLifetime(acquire(files, console)) {
            try Recovery.finish(files, configuration, console)
            return try body()
        }
    }

    /// Waits for the lock's holder, and reports that once.
    ///
    /// - Throws: `InstallationFailure` if the lock could not be taken.
    private static func acquire(
        _ files: InstallationFiles, _ console: InstallationConsole
    ) throws(InstallationFailure) -> ModuleLock {
        let end = Clock.now + patience
        var hasSaid = false
        while true {
            let (lock, text) = try attempt(files, tries: FileLock.triesMax)
            if let lock { return lock }
            let holder = Holder(text)
            if holder.isAncestor {
                throw InstallationFailure(
                    "\(holder) is changing modules, and has started this crd: what 'install' and "
                        + "'rollback' need must be installed beforehand; name it in 'requires' of "
                        + "module.toml"
                )
            }
            guard Clock.now < end else {
                throw InstallationFailure(
                    "\(holder) is still changing modules; find out what it is waiting for, and try "
                        + "again")
            }
            if !hasSaid { console.say("waiting for \(holder), which is changing modules") }
            hasSaid = true
            if console.interruption?.signal != nil { throw InstallationFailure("interrupted") }
        }
    }

    private static func attempt(
        _ files: InstallationFiles, tries: Int
    ) throws(InstallationFailure) -> (lock: ModuleLock?, holder: String) {
        do {
            return (ModuleLock(try FileLock.acquire(files.lock, tries: tries)), "")
        } catch let held as FileLock.Held {
            return (nil, held.holder)
        } catch {
            throw InstallationFailure("\(error); 'state' in crd.conf names the directory")
        }
    }

    private struct Holder: CustomStringConvertible {
        let pid: PID?

        init(_ text: String) {
            pid = PID(text)
        }

        var isAncestor: Bool {
            pid.map(ProcessTable.ancestors(of: getpid()).contains) ?? false
        }

        var description: String {
            guard let pid else { return "another crd" }
            let words = (KernelFile.read("/proc/\(pid)/cmdline") ?? "").split(separator: "\0")
            let command = PrintableText.of(String(words.joined(separator: " ").prefix(120)))
            return command.isEmpty ? "process \(pid)" : "process \(pid) (\(command))"
        }
    }
}
