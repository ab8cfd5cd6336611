// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// The files that record installed modules and the progress of a change; accessible to root only.
struct InstallationFiles {
    private let layout: StateLayout

    init(_ configuration: Configuration) {
        layout = StateLayout(FilePath(configuration.state))
    }

    private var directory: FilePath { layout.daemon }

    /// Held while modules are changed.
    var lock: FilePath { directory.appending("install.lock") }
    /// The write-ahead record, which exists while a change is in progress.
    var record: FilePath { directory.appending("install.json") }
    /// One line for each change.
    var log: FilePath { directory.appending("install.log") }
    /// The origins of all installations, one per line.
    var origins: FilePath { directory.appending("origins") }
    /// The fetched repository, during an installation.
    var fetched: FilePath { directory.appending("fetched") }
    /// The directories of failed rollbacks.
    var aside: FilePath { directory.appending("aside") }
    var receipts: FilePath { directory.appending("receipts") }

    func receipt(of name: ModuleName) -> FilePath {
        receipts.appending("\(name).json")
    }

    /// Returns the module's state directory, `CRD_STATE`.
    func state(of name: String) -> FilePath {
        layout.modules.appending(name)
    }

    /// Makes missing directories, and verifies that only trusted users can change them.
    ///
    /// - Throws: `InstallationFailure`.
    func prepare() throws(InstallationFailure) {
        do {
            try layout.make()
            // Only trusted users can change the daemon's own directory.
            try Directory.makePrivate(receipts, owner: .daemon)
            try Directory.makePrivate(aside, owner: .daemon)
        } catch let refusal as FileRefusal {
            throw InstallationFailure("\(refusal)")
        } catch {
            throw InstallationFailure(
                "\(error); run crd as root, or name another directory with 'state' in crd.conf")
        }
    }

    /// Appends a line with the time to the log.
    func appendToLog(_ line: String) {
        let time = Timestamp.rfc3339(nanosecondsSince1970: Clock.realtimeNanoseconds)
        guard let file = try? Descriptor.open(log, O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
        else { return }
        let whole = line.split(separator: "\n").map { PrintableText.of(String($0)) }
            .joined(separator: "; ")
        try? file.writeAll(Array("\(time) \(whole)\n".utf8))
    }

    func isKnown(_ origin: RepositoryLocation) -> Bool { isKnown(origin.url) }

    /// Compares bytes: two addresses that are equal in Unicode may be different places.
    private func isKnown(_ origin: String) -> Bool {
        knownOrigins.contains { $0.utf8.elementsEqual(origin.utf8) }
    }

    private var knownOrigins: [Substring] {
        (KernelFile.read(origins.string) ?? "").split(separator: "\n")
    }

    func remember(_ origin: String) throws(SystemCallError) {
        guard !isKnown(origin) else { return }
        let lines = (knownOrigins + [Substring(origin)]).sorted().map { "\($0)\n" }.joined()
        try DurableFile.replace(origins, with: Array(lines.utf8))
    }
}
