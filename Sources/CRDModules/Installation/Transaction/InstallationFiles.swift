// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// Where it is written down what was installed, and how far a change has got: root's alone.
struct InstallationFiles {
    private let layout: StateLayout

    init(_ configuration: Configuration) {
        layout = StateLayout(FilePath(configuration.state))
    }

    private var directory: FilePath { layout.daemon }

    /// Held by whoever changes modules.
    var lock: FilePath { directory.appending("install.lock") }
    /// The write-ahead record; there is one as long as a change is under way.
    var record: FilePath { directory.appending("install.json") }
    /// A line for each change.
    var log: FilePath { directory.appending("install.log") }
    /// The places that something was installed from, a line each.
    var origins: FilePath { directory.appending("origins") }
    /// The repository, while it is looked at.
    var fetched: FilePath { directory.appending("fetched") }
    /// What a rollback that failed has left.
    var aside: FilePath { directory.appending("aside") }
    var receipts: FilePath { directory.appending("receipts") }

    func receipt(of name: ModuleName) -> FilePath {
        receipts.appending("\(name).json")
    }

    /// The module's own directory, `CRD_STATE`.
    func state(of name: String) -> FilePath {
        layout.modules.appending(name)
    }

    /// Makes what is missing, and sees that nobody else could change it.
    ///
    /// - Throws: `InstallationFailure`.
    func prepare() throws(InstallationFailure) {
        do {
            try layout.make()
            // Nobody else can change what is in the daemon's own directory.
            try Directory.makePrivate(receipts, owner: .daemon)
            try Directory.makePrivate(aside, owner: .daemon)
        } catch let refusal as Refusal {
            throw InstallationFailure("\(refusal)")
        } catch {
            throw InstallationFailure(
                "\(error); run crd as root, or name another directory with 'state' in crd.conf")
        }
    }

    /// Appends a line to the log, with the time.
    func note(_ line: String) {
        let time = Timestamp.rfc3339(nanosecondsSince1970: Clock.realtimeNanoseconds)
        guard let file = try? Descriptor.open(log, O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
        else { return }
        let whole = line.split(separator: "\n").map { PrintableText.of(String($0)) }
            .joined(separator: "; ")
        try? file.writeAll(Array("\(time) \(whole)\n".utf8))
    }

    func isKnown(_ origin: RepositoryLocation) -> Bool { isKnown(origin.url) }

    /// By its bytes: two addresses that Unicode has for the same are two places.
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
