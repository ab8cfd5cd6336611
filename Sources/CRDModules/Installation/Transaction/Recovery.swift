// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// Finishes or undoes a change of modules that was interrupted by the death of its crd (G12).
public enum Recovery {
    /// Returns whether there is an interrupted change, or one in progress. Costs two access(2).
    public static func isDue(_ configuration: Configuration) -> Bool {
        let record = InstallationFiles(configuration).record
        return [record, DurableFile.unfinished(record)].contains {
            $0.withPlatformString { access($0, F_OK) } == 0
        }
    }

    /// An interrupted change that is complete now.
    public enum Finished: Sendable {
        case installed(Receipt)
        case removed(String)
    }

    /// Finishes or undoes an interrupted change, unless its crd is still running.
    ///
    /// - Returns: nil if there was none, or if it was undone or could not be finished completely.
    @discardableResult
    public static func finishInterrupted(
        _ configuration: ConfigurationFile, console: InstallationConsole
    ) -> Finished? {
        guard isDue(configuration.configuration) else { return nil }
        let files = InstallationFiles(configuration.configuration)
        do {
            // Does not wait: a module that calls crd must not wait for an installation.
            guard let lock = try ModuleLock.acquireAtOnce(files) else { return nil }
            return try withExtendedLifetime(lock) { try finish(files, configuration, console) }
        } catch {
            for line in InstallationFailure.lines(of: error) { console.say(line) }
            return nil
        }
    }

    /// Does the same with the lock held.
    @discardableResult
    static func finish(
        _ files: InstallationFiles, _ configuration: ConfigurationFile,
        _ console: InstallationConsole
    ) throws(InstallationFailure) -> Finished? {
        try files.prepare()
        do throws(SystemCallError) {
            try DurableFile.forget(DurableFile.unfinished(files.record))
        } catch {
            throw InstallationFailure("\(error)")
        }
        guard let record = try TransactionRecord.load(files.record) else { return nil }
        // Processes that the killed crd started may still be writing.
        let id = record.id
        ProcessTable.killAll(knowing: ["CRD_RUN"]) { $1["CRD_RUN"] == id }
        var transaction = Transaction(resuming: record, files, configuration, console)
        try transaction.finish()
        let story =
            transaction.isWhole
            ? story(of: transaction.record) : "it could not be cleaned up completely"
        files.appendToLog("\(record.operation.rawValue) \(record.name): \(story)")
        console.say("'\(record.operation.rawValue) \(record.name)' was interrupted; \(story)")
        if let failure = transaction.failure {
            for line in InstallationFailure.lines(of: failure) { console.say(line) }
        }
        for line in transaction.account { console.say(line) }
        guard transaction.isWhole && transaction.failure == nil else { return nil }
        switch (record.operation, record.step) {
        case (.remove, let step) where step != .preparing: return .removed(record.name)
        case (.install, .committed): return record.receipt.map(Finished.installed)
        default: return nil
        }
    }

    private static func story(of record: TransactionRecord) -> String {
        switch (record.operation, record.step) {
        case (.remove, .preparing): "nothing was changed"
        case (.remove, _): "the module has now been removed"
        case (_, .committed): "it is complete now"
        case (.upgrade, _): "it has been undone, and the old version is active"
        case (.install, _): "it has been undone, and nothing of it is left"
        }
    }
}
