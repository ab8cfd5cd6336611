// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
import Glibc
public import SystemPackage

/// A new module that works immediately, as a start for its author.
public struct ModuleTemplate {
    private struct File {
        var name: String
        var text: String
        var mode: ModeBits = 0o755
    }

    private let name: ModuleName
    private let kind: ModuleKind
    private let files: [File]

    public init(supportModule name: ModuleName) {
        self.name = name
        kind = .support
        files = [
            File(name: name.description, text: Self.supportExecutable(name)),
            File(name: ModuleScript.install.rawValue, text: Self.install),
            File(name: ModuleScript.rollback.rawValue, text: Self.rollback),
            File(
                name: ModuleOnDisk.manifestName.string, text: Self.supportManifest(name),
                mode: 0o644),
        ]
    }

    /// Makes a user module with the given triggers; without any, it is checked periodically.
    ///
    /// - Parameters:
    ///   - paths: absolute paths.
    ///   - units: units whose journal entries trigger it.
    public init(
        userModule name: ModuleName, paths: [String], units: [UnitName], signals: [String]
    ) {
        self.name = name
        kind = .user
        let hasTriggers = !(paths.isEmpty && units.isEmpty && signals.isEmpty)
        files = [
            File(
                name: Role.check.rawValue, text: hasTriggers ? Self.eventCheck : Self.periodicCheck),
            File(name: Role.response.rawValue, text: Self.response),
            File(
                name: ModuleOnDisk.manifestName.string,
                text: Self.manifest(hasTriggers)
                    + Self.triggers(paths: paths, units: units, signals: signals), mode: 0o644),
        ]
    }

    /// Writes the module to its directory, in one step for the daemon.
    ///
    /// - Returns: the module's directory.
    /// - Throws: `InstallationFailure`.
    public func write(
        _ configuration: ConfigurationFile, console: InstallationConsole
    ) throws -> FilePath {
        let settings = configuration.configuration
        let places = InstallationFiles(settings)
        return try ModuleLock.whileHeld(places, configuration, console) {
            if let (path, kind) = settings.place(ofInstalled: name) {
                throw InstallationFailure(
                    "there is a \(kind.rawValue) module \(name) already, \(path); choose another name"
                )
            }
            if kind == .support && ModuleKind.isTaken(name.description) {
                throw InstallationFailure(takenName: name)
            }
            let shelf = FilePath(kind == .user ? settings.modules : settings.support)
            let transaction = try Transaction.carryOut(
                TransactionRecord(.install, name), places, configuration, console
            ) { transaction in
                _ = try OwnershipRule().makeDirectory(shelf)
                try transaction.makePlace(for: shelf.appending(name.description))
                try fill(transaction.place)
                // Removes the receipt of a former module that somebody has removed by hand.
                try DurableFile.forget(places.receipt(of: name))
                try transaction.commit()
            }
            if let failure = transaction.failure { throw InstallationFailure("\(failure)") }
            return transaction.target
        }
    }

    private func fill(_ place: FilePath) throws {
        for file in files {
            let path = place.appending(file.name)
            let descriptor = try Descriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: file.mode)
            try descriptor.writeAll(Array(file.text.utf8), subject: path.string)
            // Independent of the umask.
            try systemCall("fchmod", on: path.string) { fchmod(descriptor.rawValue, file.mode) }
        }
        let module = ModuleInspection(of: place, named: name, as: name.description)
        guard module.complaints.isEmpty else {
            throw InstallationFailure(lines: module.complaints.map { "\($0)" })
        }
    }

    // MARK: Texts

    private static let periodicCheck = """
        #!/bin/sh
        # Reports by its exit code whether the condition holds: 0 yes, 1 no; any other is an error.
        # Its output becomes the response's standard input.
        set -eu

        # Put your condition here. This one: the root file system is more than LIMIT percent full; module.toml sets LIMIT.
        used=$(df -P / | awk 'NR == 2 { sub("%", "", $5); print $5 }')
        [ "$used" -gt "${LIMIT:-90}" ] || exit 1
        echo "/ is $used % full"

        """

    private static let eventCheck = """
        #!/bin/sh
        # Reports by its exit code whether the condition holds: 0 yes, 1 no; any other is an error.
        # Its output becomes the response's standard input.
        set -eu

        # Put your condition here. Look at the state itself: an event is only a hint. This condition holds if there was an
        # event since the last check. Events are lines of JSON; there are none if the interval is the cause.
        [ "${CRD_EVENT_COUNT:-0}" -gt 0 ] || exit 1
        cat "$CRD_EVENTS"

        """

    private static let response = """
        #!/bin/sh
        # Responds to the condition. The check's output is on standard input; this output goes to the log.
        # Exit code 0: done. Any other: failed, and the log says so.
        set -eu

        while IFS= read -r line; do
            printf 'the condition holds: %s\\n' "$line"
        done

        """

    private static func manifest(_ hasTriggers: Bool) -> String {
        """
        # crd-module(7) explains every key.
        description = "Say in one line what it does"

        # How often it is checked\(hasTriggers ? " even if nothing happens" : ""). Default: crd.conf's interval.
        #interval = "5min"
        # How long the check, or the response, may take.
        #timeout = "20s"
        # The user it runs as. Default: the daemon's.
        #user = "nobody"

        """ + (hasTriggers ? "" : "environment = { LIMIT = \"90\" }\n")
    }

    private static func triggers(
        paths: [String], units: [UnitName], signals: [String]
    ) -> String {
        let paths = paths.map { path in
            """

            [[trigger.path]]
            path = \(quoted(path))
            #events = ["create", "modify", "close_write", "moved_to", "moved_from", "delete"]
            #recursive = true

            """
        }
        let units = units.map { unit in
            """

            [[trigger.journal]]
            match = { _SYSTEMD_UNIT = \(quoted(unit.description)) }
            #pattern = 'worker (?<worker>\\d+) died'

            """
        }
        let signals = signals.map { signal in
            """

            [[trigger.signal]]
            signal = \(quoted(signal))

            """
        }
        return (paths + units + signals).joined()
    }

    /// Returns a basic string of TOML.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    private static func supportExecutable(_ name: ModuleName) -> String {
        """
        #!/bin/sh
        # crd -x \(name) [ARGUMENT...]: describe here what it does, what it reads, and its exit codes.
        # Its working directory and environment are the caller's; CRD_MODULE and the like belong to the calling module.
        set -eu

        printf '%s was called with %d arguments\\n' "$CRD_SUPPORT" $#

        """
    }

    private static let install = """
        #!/bin/sh
        # Prepares the system before the module can be called; runs as root, in the module's directory. If the exit code
        # is not 0, rollback runs, and nothing is left of the module.
        set -eu

        # For example:
        #command -v curl >/dev/null || { echo "curl was not found; run: apt install curl" >&2; exit 1; }
        #mkdir -p /var/spool/example

        """

    private static let rollback = """
        #!/bin/sh
        # Undoes everything that install does to the system, even if install stopped halfway or was undone before. Runs
        # after an install that failed, and on crd remove.
        set -eu

        # For example:
        #rm -rf /var/spool/example

        """

    private static func supportManifest(_ name: ModuleName) -> String {
        """
        # crd-module(7) explains every key.
        description = "Say in one line what it does"
        # The support modules that it calls.
        #requires = []

        """
    }
}
