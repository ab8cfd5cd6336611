// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
import SystemPackage

/// The differences between a module's files and its receipt.
public struct ModuleVerification: Encodable, Sendable {
    public let name: String
    public private(set) var changed: [String] = []
    public private(set) var missing: [String] = []
    public private(set) var extra: [String] = []
    /// Nil if there is no receipt.
    public private(set) var commit: String?

    /// Why the files could not be compared.
    public private(set) var fault: String?

    public var isClean: Bool { fault == nil && changed.isEmpty && missing.isEmpty && extra.isEmpty }

    /// The differences in one line.
    public var summary: String {
        let parts = [("changed", changed), ("missing", missing), ("extra", extra)].flatMap {
            word, files in files.map { "\(word) \(PrintableText.of($0))" }
        }
        let more = parts.count - Self.partsMax
        return parts.prefix(Self.partsMax).joined(separator: ", ")
            + (more > 0 ? " and \(more) more" : "")
    }

    private static let partsMax = 10

    init(of receipt: Receipt, in directory: FilePath) throws {
        name = receipt.name
        commit = receipt.commit
        let found =
            FileStatus(of: directory)?.kind == .directory
            ? try Receipt.files(in: directory) : [:]
        // Compares bytes: two names that are equal in Unicode may be different files.
        let installed = Dictionary(
            receipt.files.map { (FilePath($0.key), $0.value) }
        ) { first, _ in first }
        for (path, file) in installed {
            switch found[path] {
            case nil: missing.append(path.string)
            case file?: break
            case _?: changed.append(path.string)
            }
        }
        extra = found.keys.filter { installed[$0] == nil }.map(\.string)
        changed.sort()
        missing.sort()
        extra.sort()
    }

    /// Returns whether any file is still as it was installed.
    func isRecognisable(_ receipt: Receipt) -> Bool {
        changed.count + missing.count < receipt.files.count
    }

    private init(faulty name: String, _ fault: String) {
        self.name = name
        self.fault = fault
    }

    private init(unknown name: ModuleName) {
        self.name = name.description
    }

    /// Compares one module, or all modules, with their receipts.
    ///
    /// - Throws: `InstallationFailure` if that is not possible.
    public static func all(
        _ configuration: Configuration, only name: ModuleName? = nil
    ) throws -> [ModuleVerification] {
        let files = InstallationFiles(configuration)
        if let name {
            guard let receipt = try Receipt.load(files.receipt(of: name)) else {
                let isThere = configuration.place(ofInstalled: name) != nil
                throw InstallationFailure(
                    isThere
                        ? "\(name) was not installed by crd: there is no receipt to compare it with"
                        : "there is no module \(name); 'crd list' shows those that exist")
            }
            return [try verification(of: receipt, configuration)]
        }
        let names: [FilePath.Component]
        do throws(SystemCallError) {
            names = try Directory.list(files.receipts)
        } catch {
            // Nothing has been installed yet.
            guard error.errno == .noSuchFileOrDirectory else {
                throw InstallationFailure("\(error); run crd as root")
            }
            names = []
        }
        var found: [ModuleVerification] = []
        for name in names where name.extension == "json" {
            do {
                guard let receipt = try Receipt.load(files.receipts.appending(name)) else {
                    continue
                }
                found.append(try verification(of: receipt, configuration))
            } catch {
                found.append(ModuleVerification(faulty: name.stem, "\(error)"))
            }
        }
        let known = Set(found.map(\.name))
        found += ModuleDirectories(configuration, switchesUsers: true).contents().modules.map(
            \.name
        )
        .filter { !known.contains($0.description) }.map(ModuleVerification.init(unknown:))
        return found.sorted { $0.name < $1.name }
    }

    private static func verification(
        of receipt: Receipt, _ configuration: Configuration
    ) throws -> ModuleVerification {
        let shelf = receipt.kind == .user ? configuration.modules : configuration.support
        return try ModuleVerification(of: receipt, in: FilePath(shelf).appending(receipt.name))
    }
}
