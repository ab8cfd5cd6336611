// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// One change of a module, which is either completed or leaves everything as it was (G12).
///
/// Every transaction ends with `finish`. The crd that began it calls it after success and failure;
/// if that crd was killed, the next one calls it.
struct Transaction {
    private(set) var record: TransactionRecord
    let files: InstallationFiles
    let configuration: ConfigurationFile
    let console: InstallationConsole
    /// The results of the scripts, for the message.
    private(set) var outcomes: [(script: ModuleScript, outcome: ModuleScript.Outcome)] = []
    /// Why it was not committed, or is not active in spite of the commit.
    private(set) var failure: (any Error)?
    /// Whether somebody else removed the module's files.
    private(set) var isLost = false
    /// Whether everything that had to be removed was removed.
    private(set) var isCleared = true
    /// Problems that the user must look at.
    private(set) var warnings: [String] = []

    /// Performs `body` and finishes the transaction, or undoes it if `body` throws or does not
    /// commit. The record is stored before anything else is done.
    ///
    /// - Throws: `InstallationFailure` if it could not be finished.
    static func carryOut(
        _ record: TransactionRecord, _ files: InstallationFiles,
        _ configuration: ConfigurationFile, _ console: InstallationConsole,
        _ body: (inout Transaction) throws -> Void
    ) throws -> Transaction {
        try record.store(files.record)
        var transaction = Transaction(resuming: record, files, configuration, console)
        do { try body(&transaction) } catch { transaction.failure = error }
        do { try transaction.finish() } catch {
            let reasons = [transaction.failure, error].compactMap(\.self)
                .flatMap { InstallationFailure.lines(of: $0) }
            throw InstallationFailure(lines: reasons + transaction.account)
        }
        return transaction
    }

    /// Resumes a stored transaction.
    init(
        resuming record: TransactionRecord, _ files: InstallationFiles,
        _ configuration: ConfigurationFile, _ console: InstallationConsole
    ) {
        self.record = record
        self.files = files
        self.configuration = configuration
        self.console = console
    }

    /// The directory of a failed rollback, if it was kept.
    var keptAside: FilePath? {
        if record.isKeptInPlace { return place }
        return Self.isThere(aside) ? aside : nil
    }

    /// Whether nothing is left for the user to clean up.
    var isWhole: Bool { keptAside == nil && !isLost && isCleared }

    var target: FilePath { FilePath(record.target) }
    var place: FilePath { FilePath(record.place) }
    private var state: FilePath { files.state(of: record.name) }

    // MARK: Forward

    /// Refuses to move a module that has a mount on it or in it. The mount prevents the move and
    /// would be lost with the module.
    ///
    /// - Throws: `InstallationFailure`.
    static func demandMovable(_ module: FilePath) throws(InstallationFailure) {
        let mounts: [FilePath]
        do throws(SystemCallError) {
            mounts = try MountSource.mountPoints(atOrBelow: module)
        } catch {
            throw InstallationFailure("\(error)")
        }
        guard let mount = mounts.first else { return }
        throw InstallationFailure(
            "something is mounted on \(mount), and would be lost with the module; first run: umount "
                + "'\(mount)'")
    }

    /// Makes the dot directory beside the module's future target.
    mutating func makePlace(for target: FilePath) throws(InstallationFailure) {
        let place = try Self.place(beside: target, "installing")
        record.target = target.string
        record.place = place.string
        try record.store(files.record)
        do throws(SystemCallError) {
            try Directory.makeNew(place, mode: 0o755)
            record.inode = try FileStatus(at: place, followingLinks: false).inode
        } catch {
            throw InstallationFailure("\(error)")
        }
    }

    /// Returns the hidden path for a module.
    private static func place(
        beside target: FilePath, _ what: String
    ) throws(InstallationFailure) -> FilePath {
        let name = target.lastComponent?.string ?? ""
        let place = target.removingLastComponent().appending(".\(name).\(what)")
        guard !isThere(place) else {
            throw InstallationFailure(
                "\(place) is in the way: an earlier change could not remove it, or somebody made it; "
                    + "look at it, and remove it")
        }
        return place
    }

    /// Runs `install` in the dot directory, if the module has one.
    ///
    /// - Throws: `InstallationFailure` if it did not succeed.
    mutating func install(_ manifest: Manifest) throws(InstallationFailure) {
        if console.interruption?.signal != nil { throw InstallationFailure("interrupted") }
        record.madeState = !hasState
        record.mayBePrepared = Self.isThere(place.appending(ModuleScript.install.rawValue))
        record.step = .scripting
        try record.store(files.record)
        guard record.mayBePrepared else { return }
        do throws(SystemCallError) {
            // An existing one may belong to a role's user.
            if record.madeState { try Directory.makePrivate(state, owner: .daemon) }
        } catch {
            throw InstallationFailure("\(error)")
        }
        console.say("running 'install' of \(record.name)")
        guard let outcome = run(.install, in: place, manifest, console) else { return }
        guard outcome.isGood else {
            throw InstallationFailure("'install' of \(record.name) \(outcome.story)")
        }
        try handOverState(manifest)
        let status = FileStatus(of: place, followingLinks: false)
        guard status?.kind == .directory, status?.inode == record.inode else {
            throw InstallationFailure(
                "'install' of \(record.name) has moved or replaced the module's own directory, "
                    + "\(place), so crd does not activate the module; find out where that "
                    + "directory is")
        }
    }

    /// Whether there is a state directory; a file system that its owner has mounted there is not asked.
    private var hasState: Bool {
        do throws(SystemCallError) {
            _ = try OpenDirectory.open(state)
            return true
        } catch {
            return error.errno != .noSuchFileOrDirectory
        }
    }

    /// Gives the directory that was created for `install` to the roles' user, who is to use its
    /// content. The daemon itself never gives a user another user's files.
    private func handOverState(_ manifest: Manifest) throws(InstallationFailure) {
        let users = Set(Role.allCases.map { manifest.roles[$0]?.user })
        guard record.madeState, users.count == 1, let user = users.first ?? nil,
            let account = UserAccount.named(user)
        else { return }
        do throws(SystemCallError) {
            try Directory.makePrivate(state, owner: account)
        } catch {
            throw InstallationFailure("\(error)")
        }
    }

    /// Commits the change: from here on it will be finished, whatever happens.
    mutating func commit(_ receipt: Receipt? = nil) throws(InstallationFailure) {
        do throws(SystemCallError) {
            try FileTree.sync(place)
        } catch {
            throw InstallationFailure("\(error)")
        }
        record.receipt = receipt
        record.step = .committed
        try record.store(files.record)
    }

    /// Starts the removal of the module.
    mutating func beginRemoval(
        of target: FilePath, _ status: FileStatus
    ) throws(InstallationFailure) {
        record.place = try Self.place(beside: target, "removing").string
        record.target = target.string
        record.inode = status.inode
        record.mayBePrepared = ModuleScript.allCases.contains {
            Self.isThere(target.appending($0.rawValue))
        }
        record.step = .scripting
        try record.store(files.record)
    }

    // MARK: The end

    /// Finishes a committed change or a removal, and undoes any other change.
    mutating func finish() throws(InstallationFailure) {
        do {
            try end()
        } catch {
            throw InstallationFailure(
                "\(error); the next crd command will try again to clean up \(record.name)")
        }
    }

    private mutating func end() throws {
        switch (record.operation, record.step) {
        case (_, .preparing): break
        case (.remove, _): try finishRemoval()
        case (_, .committed): try show()
        case (_, .scripting), (_, .rolledBack): try undo()
        }
        try clearAway()
    }

    private mutating func show() throws {
        if !isShown {
            guard Self.isThere(place) else {
                isLost = true
                failure = InstallationFailure(
                    "\(record.name) was ready to be activated, but has not been")
                warnings.append(
                    "somebody has removed the new files of \(record.name) from \(place)")
                return
            }
            if Self.isThere(target) && record.operation != .upgrade {
                // Somebody else has made this directory, without knowing of our change.
                return try giveUp(
                    "somebody else has made \(target) in the meantime; find out what it is")
            }
            do throws(SystemCallError) {
                if Self.isThere(target) {
                    runWait.wait()
                    try replaceOld()
                } else {
                    try DurableFile.move(place, to: target)
                }
            } catch {
                return try giveUp(Self.stuck(error))
            }
        }
        try DurableFile.settle(target.removingLastComponent())
        guard let receipt = record.receipt, let name = ModuleName(record.name) else { return }
        try receipt.store(files.receipt(of: name))
        try files.remember(receipt.origin)
        // For a run that may have begun just before the old version was replaced.
        if record.operation == .upgrade { runWait.wait() }
    }

    private static func isThere(_ path: FilePath) -> Bool {
        FileStatus(of: path, followingLinks: false) != nil
    }

    /// Whether the new files are at the target.
    private var isShown: Bool {
        if FileStatus(of: target, followingLinks: false)?.inode == record.inode { return true }
        if FileStatus(of: place, followingLinks: false)?.inode == record.inode { return false }
        // Neither inode matches, as after restoring a backup: compare the files instead.
        let differences = record.receipt.flatMap { try? ModuleVerification(of: $0, in: target) }
        return Self.isThere(target) && differences?.isClean ?? true
    }

    /// Undoes a committed change that cannot be moved to its target.
    private mutating func giveUp(_ reason: String) throws {
        failure = InstallationFailure(reason)
        record.step = .scripting
        try record.store(files.record)
        try undo()
    }

    private static func stuck(_ error: SystemCallError) -> String {
        "\(error); see what keeps it from being moved (lsattr -d, findmnt)"
    }

    /// Replaces the old version, in one step if the file system supports that.
    private func replaceOld() throws(SystemCallError) {
        if try DurableFile.exchange(place, target) { return }
        try DurableFile.move(target, to: replaced)
        do throws(SystemCallError) {
            try DurableFile.move(place, to: target)
        } catch {
            try DurableFile.move(replaced, to: target)
            throw error
        }
    }

    /// The hidden path of the old version if two directories cannot be exchanged.
    private var replaced: FilePath {
        target.removingLastComponent().appending(".\(record.name).\(record.id)")
    }

    private mutating func undo() throws {
        try rollBack()
        if record.operation == .upgrade && record.mayBePrepared { restoreOld() }
        if record.madeState { discard(state) }
    }

    /// Runs `install` of the old version again, as dpkg does: the rollback has also undone the
    /// parts that both versions share.
    private mutating func restoreOld() {
        let manifest = Self.manifest(in: target, record.name)
        guard let outcome = run(.install, in: target, manifest, undoing, "restore"), !outcome.isGood
        else { return }
        warnings.append(
            "'install' of the version of \(record.name) that stays active was run again, and "
                + "\(outcome.story): see whether the module works")
    }

    private var runWait: RunWait {
        RunWait(module: record.name, console: console, settings: configuration.configuration)
    }

    private mutating func finishRemoval() throws {
        if let status = FileStatus(of: target, followingLinks: false), status.inode == record.inode,
            record.step != .rolledBack
        {
            runWait.wait()
            do throws(SystemCallError) {
                try DurableFile.move(target, to: place)
            } catch {
                failure = InstallationFailure("\(Self.stuck(error)); nothing was changed")
                record.step = .preparing
                return try record.store(files.record)
            }
            try DurableFile.settle(target.removingLastComponent())
        }
        // For a run that may have begun just before the module was moved away.
        runWait.wait()
        try rollBack()
        if let name = ModuleName(record.name) { try DurableFile.forget(files.receipt(of: name)) }
        // rmdir(2) succeeds only if it is empty.
        _ = state.withPlatformString { rmdir($0) }
    }

    /// Runs `rollback`; keeps its directory aside if it fails.
    private mutating func rollBack() throws {
        guard record.step != .rolledBack, record.mayBePrepared else { return }
        guard Self.isThere(place) else { return recordLoss() }
        let outcome = run(.rollback, in: place, Self.manifest(in: place, record.name), undoing)
        if let outcome, !outcome.isGood { keepAside() }
        if outcome == nil {
            warnings.append(
                "\(record.name) has no 'rollback': what its 'install' did to the system has not "
                    + "been undone")
        }
        record.step = .rolledBack
        try record.store(files.record)
    }

    /// Records that the module's files are missing, unless the killed crd had already moved them
    /// aside.
    private mutating func recordLoss() {
        if keptAside != nil { return }
        isLost = true
        warnings.append(
            "the files of \(record.name) have gone from \(place), and its 'rollback' with them: what "
                + "its 'install' did to the system has not been undone")
    }

    private var aside: FilePath { files.aside.appending("\(record.name)-\(record.id)") }

    private mutating func keepAside() {
        guard Self.isThere(place) else { return }
        do {
            try FileTree.remove(aside)
            // After a copy, `clearAway` removes the original.
            if try !DurableFile.moveWithinFileSystem(place, to: aside) {
                try copy(place, to: aside)
            }
        } catch {
            record.isKeptInPlace = true
            warnings.append("it could not be moved to \(files.aside): \(error)")
        }
    }

    private func copy(_ path: FilePath, to other: FilePath) throws {
        let program = ForegroundProgram(
            path: CommonEnvironment.program("cp") ?? "/bin/cp",
            arguments: ["-a", "--", path.string, other.string],
            environment: CStringBlock(["LC_ALL=C"]), directory: "/", timeout: .seconds(600),
            grace: .seconds(1))
        let end = OutputTail()
        let ending = try program.run(
            output: EchoSink(to: nil, keeping: end), errors: EchoSink(to: nil, keeping: end)
        )
        guard ending == .ended(.exited(0)) else {
            throw InstallationFailure("cp '\(path)': \(end.lines.joined(separator: "; "))")
        }
    }

    /// Removes all files of the transaction that are no longer needed.
    private mutating func clearAway() throws {
        if !record.place.isEmpty {
            if !record.isKeptInPlace { discard(place) }
            discard(replaced)
        }
        discard(files.fetched)
        try DurableFile.forget(files.record)
    }

    /// Removes a file or directory; one that cannot be removed must not block later changes.
    private mutating func discard(_ path: FilePath) {
        do throws(SystemCallError) {
            try FileTree.remove(path)
        } catch {
            let kept = FilePath("\(aside)-\(path.lastComponent?.string ?? "rest")")
            isCleared = false
            let isAside = (try? DurableFile.moveWithinFileSystem(path, to: kept)) ?? false
            warnings.append(
                "\(isAside ? kept : path) could not be removed (\(error.function): \(error.errno)); "
                    + "see why, and remove it by hand")
        }
    }

    // MARK: Scripts

    /// A console for undoing, which must not be interrupted.
    private var undoing: InstallationConsole {
        var console = console
        console.isUndoing = true
        return console
    }

    private static func manifest(in directory: FilePath, _ name: String) -> Manifest {
        guard let name = ModuleName(name) else { return Manifest() }
        return ModuleInspection(
            of: directory, named: name, as: name.description, isInstalled: true
        ).manifest
    }

    private mutating func run(
        _ script: ModuleScript, in directory: FilePath, _ manifest: Manifest,
        _ console: InstallationConsole, _ operation: String? = nil
    ) -> ModuleScript.Outcome? {
        let setting = ModuleScript.Setting(
            directory: directory, target: target, name: record.name, runID: record.id,
            operation: operation ?? record.operation.rawValue, state: state, manifest: manifest,
            configuration: configuration)
        guard let outcome = script.run(setting, console) else { return nil }
        outcomes.append((script, outcome))
        return outcome
    }
}
