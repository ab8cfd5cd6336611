// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// Installs modules from git, and upgrades them to newer versions.
public struct Installer {
    private let configuration: ConfigurationFile
    private let console: InstallationConsole
    private let files: InstallationFiles

    /// The version that is active now.
    public struct Outcome: Sendable {
        public let receipt: Receipt
        /// Whether it was active already.
        public let isUnchanged: Bool
        /// The faults that keep it from working.
        public let complaints: [Diagnostic]
    }

    public init(_ configuration: ConfigurationFile, console: InstallationConsole) {
        self.configuration = configuration
        self.console = console
        files = InstallationFiles(configuration.configuration)
    }

    private var settings: Configuration { configuration.configuration }

    /// Installs a module.
    ///
    /// - Throws: `InstallationFailure`; the machine is then unchanged, or the message says what is
    ///   not.
    public func install(
        _ name: ModuleName, from location: RepositoryLocation, at ref: GitReference
    ) throws -> Outcome {
        try ModuleLock.whileHeld(files, configuration, console) {
            if let (path, kind) = settings.place(ofInstalled: name) {
                let receipt = try Receipt.load(files.receipt(of: name))
                if let target = SymbolicLink.target(of: path) {
                    throw InstallationFailure(
                        "there is a \(kind.rawValue) module \(name) already: \(path) is a symbolic "
                            + "link to \(target); give the new one another name, or remove the link"
                    )
                }
                throw InstallationFailure(
                    receipt == nil
                        ? "there is a \(kind.rawValue) module \(name) already, \(path), which crd "
                            + "did not install; rename the existing one, or move it away"
                        : "\(name) is installed already, as a \(kind.rawValue) module in \(path); "
                            + "'crd upgrade \(name)' installs its newest version")
            }
            return try change(.install, Wish(name: name, location: location, ref: ref))
        }
    }

    /// Upgrades a module.
    ///
    /// - Parameter force: upgrade even if its files were changed after the installation.
    /// - Throws: `InstallationFailure`; the old version is then active, or the message says what is
    ///   not.
    public func upgrade(
        _ name: ModuleName, from location: RepositoryLocation?, at ref: GitReference?, force: Bool
    ) throws -> Outcome {
        try ModuleLock.whileHeld(files, configuration, console) {
            guard let (path, kind) = settings.place(ofInstalled: name) else {
                throw InstallationFailure(
                    "there is no module \(name) to upgrade; 'crd --install \(name)' installs it")
            }
            guard FileStatus(of: path, followingLinks: false)?.kind == .directory else {
                let target = SymbolicLink.target(of: path)
                throw InstallationFailure(
                    target.map {
                        "\(path) is a symbolic link to \($0), and is left as it is; put the newest "
                            + "version there, or remove the link and install \(name)"
                    } ?? "\(path) is not a directory, and is left as it is; find out what it is")
            }
            try Transaction.demandMovable(path)
            guard let receipt = try Receipt.load(files.receipt(of: name)) else {
                throw InstallationFailure(
                    "\(name) was not installed by crd, so its origin is unknown; move "
                        + "\(path) away, and install it with: crd --install \(name) -l LOCATION")
            }
            let differences = try ModuleVerification(of: receipt, in: path)
            guard force || differences.isClean else {
                throw InstallationFailure(
                    "files of \(name) are not as they were installed, and an upgrade would lose "
                        + "the changes: \(differences.summary); save what you need, then give --force"
                )
            }
            let origin = try location ?? Self.location(receipt)
            return try change(
                .upgrade,
                Wish(
                    name: name, location: origin,
                    ref: ref ?? GitReference(receipt.ref) ?? .head, former: receipt, kind: kind,
                    isForced: force))
        }
    }

    private static func location(_ receipt: Receipt) throws -> RepositoryLocation {
        do throws(RepositoryLocation.Malformed) {
            return try RepositoryLocation(parsing: receipt.origin, from: nil)
        } catch {
            throw InstallationFailure(
                "the receipt of \(receipt.name) names "
                    + "'\(RepositoryLocation.withoutSecrets(receipt.origin))', which \(error.reason); "
                    + "name a place with -l")
        }
    }

    // MARK: The change

    /// The version that is to become active.
    private struct Wish {
        var name: ModuleName
        var location: RepositoryLocation
        var ref: GitReference
        /// The active version, and its kind.
        var former: Receipt?
        var kind: ModuleKind?
        var isForced = false
    }

    /// A version that may be installed.
    private struct Candidate {
        var kind: ModuleKind
        var commit: String
        var committed: Int64
        var signer: String?
        var manifest = Manifest()
        var isInForce = false
    }

    private func change(
        _ operation: TransactionRecord.Operation, _ wish: Wish
    ) throws -> Outcome {
        let transaction = try Transaction.carryOut(
            TransactionRecord(operation, wish.name), files, configuration, console
        ) { transaction in
            let candidate = try prepare(wish, &transaction)
            if candidate.isInForce { return }
            try transaction.install(candidate.manifest)
            try verifyUsable(wish.name, candidate.kind, transaction.place)
            try transaction.commit(receipt(wish, candidate, transaction.place))
        }
        let what = "\(operation.rawValue) \(wish.name) from \(wish.location)"
        if let failure = transaction.failure {
            files.appendToLog("\(what): \(failure)")
            throw Self.story(failure, operation, wish.name, transaction)
        }
        // If nothing was committed, the former version is the newest.
        guard
            let receipt = try transaction.record.receipt
                ?? wish.former.map({ try follow(wish, $0) })
        else { preconditionFailure("neither a new version nor a former one") }
        files.appendToLog("\(what): commit \(receipt.commit)")
        for warning in transaction.warnings { console.say(warning) }
        let complaints = ModuleDirectories(
            settings, switchesUsers: true, judgement: ExecutableJudgement()
        )
        .contents(only: [wish.name]).modules.filter { $0.name == wish.name }
        .flatMap { $0.complaints + $0.executableComplaints }
        return Outcome(
            receipt: receipt, isUnchanged: transaction.record.receipt == nil,
            complaints: complaints)
    }

    /// Stores the new origin and reference even if there was nothing newer: the next upgrade uses
    /// them.
    private func follow(_ wish: Wish, _ former: Receipt) throws -> Receipt {
        var receipt = former
        receipt.origin = wish.location.url
        receipt.ref = wish.ref.description
        if receipt != former { try receipt.store(files.receipt(of: wish.name)) }
        return receipt
    }

    /// Describes the failure, the last output of the scripts and the present state.
    private static func story(
        _ failure: any Error, _ operation: TransactionRecord.Operation, _ name: ModuleName,
        _ transaction: Transaction
    ) -> InstallationFailure {
        var lines = InstallationFailure.lines(of: failure) + transaction.account
        let isGone =
            operation == .upgrade
            && FileStatus(of: transaction.target, followingLinks: false) == nil
        if isGone && !transaction.record.target.isEmpty {
            lines.append(
                "\(transaction.target), the version that was active, is gone: somebody removed it "
                    + "in the meantime; run crd remove, or install \(name) again")
        } else if transaction.isWhole {
            let wasRolledBack = transaction.outcomes.contains { $0.script == .rollback }
            lines.append(
                (wasRolledBack ? "'rollback' has undone it: " : "")
                    + (operation == .upgrade
                        ? "the previous version of \(name) stays active"
                        : "nothing of \(name) is left"))
        }
        return InstallationFailure(lines: lines)
    }

    // MARK: Preparation

    private func prepare(_ wish: Wish, _ transaction: inout Transaction) throws -> Candidate {
        console.say("fetching \(wish.name) from \(wish.location)")
        // Checked before 'install' runs, rather than when the receipt needs it.
        _ = try FileDigest.program()
        let git = try Git(in: files.fetched, runID: transaction.record.id, console: console)
        let commit = try git.fetch(wish.location, wish.ref)
        let signer = try settings.allowedSigners.map {
            try self.signer(of: commit, git, FilePath($0), wish.location)
        }
        let tree = try git.tree(of: commit, wish.location)
        let place: RepositoryTree.Place
        do throws(RepositoryTree.Missing) {
            place = try tree.place(of: wish.name)
        } catch {
            throw InstallationFailure("\(wish.location) \(error.reason)")
        }
        let objections = RepositoryTree.objections(to: tree.entries(in: place))
        if !objections.isEmpty { throw Self.refusal(wish, objections) }
        guard let kind = place.kind else {
            if ModuleKind.isTaken(wish.name.description) {
                throw InstallationFailure(takenName: wish.name)
            }
            throw InstallationFailure(
                "\(wish.name) in \(wish.location) \(tree.objection(to: place, named: wish.name))"
                    + tree.advice(onExecutablesOf: wish.name, at: place.path))
        }
        let committed = try git.time(of: commit, wish.location)
        var candidate = Candidate(
            kind: kind, commit: commit, committed: committed, signer: signer)
        if let former = wish.former {
            guard kind == wish.kind else {
                throw InstallationFailure(
                    "\(wish.name) is now a \(kind.rawValue) module in \(wish.location); remove "
                        + "the installed one (crd remove \(wish.name)), and install it again")
            }
            candidate.isInForce = commit == former.commit && !wish.isForced
            if candidate.isInForce { return candidate }
            try refuseOlder(candidate, than: former, wish)
        }
        let target = try shelf(of: kind).appending(wish.name.description)
        try transaction.makePlace(for: target)
        try git.checkOut(place.path, of: commit, into: transaction.place, wish.location)
        let module = ModuleInspection(
            of: transaction.place, named: wish.name, as: wish.name.description)
        if !module.complaints.isEmpty {
            throw Self.refusal(wish, module.complaints.map { "\($0)" })
        }
        try demand(module.manifest.requires, of: wish.name)
        if signer == nil { try confirm(wish, git, commit, module) }
        candidate.manifest = module.manifest
        return candidate
    }

    /// Refuses a signed commit that is older than the installed one. Every signature stays valid, so
    /// whoever serves a repository could have an old fault installed again.
    private func refuseOlder(
        _ candidate: Candidate, than former: Receipt, _ wish: Wish
    ) throws(InstallationFailure) {
        guard candidate.signer != nil, !wish.isForced, let then = former.committed,
            candidate.committed < then
        else { return }
        func shown(_ commit: String, _ time: Int64) -> String {
            "\(commit) of \(Timestamp.rfc3339(nanosecondsSince1970: time &* 1_000_000_000))"
        }
        throw InstallationFailure(
            "\(wish.location) has the commit \(shown(candidate.commit, candidate.committed)), which "
                + "is older than the installed one, \(shown(former.commit, then)); nothing was "
                + "executed: ask the signer, and if it is meant, repeat the command with --force")
    }

    private static func refusal(_ wish: Wish, _ objections: [String]) -> InstallationFailure {
        let event = "\(wish.name) from \(wish.location) is refused, and none of it was executed:"
        return InstallationFailure(
            lines: [event] + objections.prefix(refusalsMax).map { "    \($0)" })
    }

    private static let refusalsMax = 20

    private func shelf(of kind: ModuleKind) throws -> FilePath {
        let shelf = FilePath(kind == .user ? settings.modules : settings.support)
        do {
            _ = try OwnershipRule().makeDirectory(shelf)
        } catch let refusal as FileRefusal {
            throw InstallationFailure("\(refusal)")
        } catch {
            throw InstallationFailure("\(error); run crd as root")
        }
        return shelf
    }

    private func demand(_ names: [ModuleName], of name: ModuleName) throws {
        let missing = names.filter { required in
            settings.place(ofInstalled: required)?.kind != .support && required != name
        }
        guard !missing.isEmpty else { return }
        throw InstallationFailure(
            "\(name) requires support modules that are not installed; first run: "
                + missing.map { "crd --install \($0)" }.joined(separator: "; "))
    }

    /// Verifies the module again, since `install` may have changed its files.
    private func verifyUsable(
        _ name: ModuleName, _ kind: ModuleKind, _ place: FilePath
    ) throws {
        let module = ModuleInspection(
            of: place, named: name, as: name.description, examinesFiles: false,
            isInstalled: true)
        guard module.kind == kind, module.complaints.isEmpty else {
            let reasons = module.complaints.map { "    \($0)" }
            throw InstallationFailure(
                lines: ["'install' of \(name) has left something that cannot be used:"] + reasons)
        }
        do throws(FileRefusal) {
            try OwnershipRule().verify(place)
        } catch {
            throw InstallationFailure(
                "'install' of \(name) has left something that cannot be used: \(error)")
        }
    }

    // MARK: Trust

    private func signer(
        of commit: String, _ git: Git, _ signers: FilePath, _ location: RepositoryLocation
    ) throws -> String {
        do throws(FileRefusal) {
            let status = try OwnershipRule().verify(signers)
            guard status.kind == .regular else {
                throw FileRefusal(
                    signers, "is not a regular file; ssh-keygen(1) says what it must be")
            }
        } catch {
            throw InstallationFailure(
                "\(error) ('allowed-signers' in \(configuration.path)); nothing was executed")
        }
        return try git.signer(of: commit, allowed: signers, location)
    }

    /// Asks somebody to look at a module from a new origin, unless `--yes` was given.
    private func confirm(
        _ wish: Wish, _ git: Git, _ commit: String, _ module: ModuleInspection
    ) throws {
        if console.assumesYes || files.isKnown(wish.location) { return }
        guard let confirm = console.confirm else {
            throw InstallationFailure(
                "nothing has ever been installed from \(wish.location); 'allowed-signers' is not "
                    + "set, so no signature of its commit \(commit) is verified; and there is no "
                    + "terminal to ask on: look at the commit, and give --yes, or set 'allowed-signers' in \(configuration.path)"
            )
        }
        var lines = ["nothing has been installed from \(wish.location) before. \(wish.name) is:"]
        lines += try git.description(of: commit, wish.location).map { "    \($0)" }
        lines += module.overview
        guard confirm(lines) else { throw InstallationFailure("not installed") }
    }

    private func receipt(
        _ wish: Wish, _ candidate: Candidate, _ place: FilePath
    ) throws -> Receipt {
        Receipt(
            name: wish.name.description, kind: candidate.kind, origin: wish.location.url,
            ref: wish.ref.description, commit: candidate.commit,
            committed: candidate.committed, signer: candidate.signer,
            time: Timestamp.rfc3339(nanosecondsSince1970: Clock.realtimeNanoseconds),
            files: try Receipt.filesByName(in: place))
    }
}
