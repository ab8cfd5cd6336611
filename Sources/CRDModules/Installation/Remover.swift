// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
import SystemPackage

/// Removes modules, after their `rollback` has undone their `install`.
public struct Remover {
    private let configuration: ConfigurationFile
    private let console: InstallationConsole
    private let files: InstallationFiles

    public init(_ configuration: ConfigurationFile, console: InstallationConsole) {
        self.configuration = configuration
        self.console = console
        files = InstallationFiles(configuration.configuration)
    }

    /// Removes a module.
    ///
    /// - Parameter force: remove it even if other modules require it or crd did not install it.
    /// - Throws: `InstallationFailure`.
    public func remove(_ name: ModuleName, force: Bool) throws {
        try ModuleLock.whileHeld(files, configuration, console) {
            let (target, status) = try find(name, force: force)
            let transaction = try Transaction.carryOut(
                TransactionRecord(.remove, name), files, configuration, console
            ) { try $0.beginRemoval(of: target, status) }
            if let failure = transaction.failure { throw failure }
            let account = transaction.account
            files.appendToLog(
                "remove \(name): \(transaction.keptAside.map { "kept in \($0)" } ?? "done")")
            guard !transaction.hasRollbackFailed else {
                throw InstallationFailure(
                    lines: ["\(name) is no longer active, but its 'rollback' failed"] + account)
            }
            for warning in transaction.warnings { console.say(warning) }
            let state = files.state(of: name.description)
            if FileStatus(of: state, followingLinks: false) != nil {
                console.say(
                    "what \(name) has stored is kept in \(state); remove it if it is not needed")
            }
        }
    }

    private func find(
        _ name: ModuleName, force: Bool
    ) throws -> (FilePath, FileStatus) {
        let settings = configuration.configuration
        guard let (target, _) = settings.place(ofInstalled: name),
            let status = FileStatus(of: target, followingLinks: false)
        else {
            throw InstallationFailure(
                "there is no module \(name); 'crd list' shows those that exist")
        }
        guard status.kind == .directory else {
            throw InstallationFailure(
                "\(target) is "
                    + (SymbolicLink.target(of: target).map { "a symbolic link to \($0)" }
                        ?? "not a directory") + "; remove it by hand: rm '\(target)'")
        }
        try Transaction.demandMovable(target)
        if FileStatus(of: target.appending(ModuleScript.rollback.rawValue)) != nil {
            do throws(FileRefusal) {
                try ModuleScript.rollback.verify(in: target)
            } catch {
                throw InstallationFailure(
                    "'rollback' of \(name) is not executed, since \(error); first check whether it is "
                        + "still what it should be")
            }
        }
        guard !force else { return (target, status) }
        let dependents = ModuleDirectories(settings, switchesUsers: true).contents().modules
            .filter { $0.manifest.requires.contains(name) && $0.name != name }
        guard dependents.isEmpty else {
            let names = dependents.map(\.name.description).joined(separator: ", ")
            throw InstallationFailure(
                "\(names) \(dependents.count == 1 ? "requires" : "require") \(name); remove "
                    + "\(names) first, or use --force")
        }
        // The receipt's module may be gone, and this one may be the user's own.
        guard let receipt = try Receipt.load(files.receipt(of: name)),
            try ModuleVerification(of: receipt, in: target).isRecognisable(receipt)
        else {
            throw InstallationFailure(
                "\(name) was not installed by crd, so crd could not restore it later; to "
                    + "remove \(target) all the same, give --force")
        }
        return (target, status)
    }
}
