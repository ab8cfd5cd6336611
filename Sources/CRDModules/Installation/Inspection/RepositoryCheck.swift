// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
public import SystemPackage

/// Checks a directory of modules that is to be published.
public struct RepositoryCheck {
    /// The number of modules.
    public private(set) var count = 0
    /// Errors.
    public private(set) var complaints: [Diagnostic] = []
    public private(set) var warnings: [Diagnostic] = []
    private let root: FilePath
    private var shelfOfName: [ModuleName: String] = [:]

    /// Checks the modules at the root, in `modules` and in `support`.
    ///
    /// - Throws: `InstallationFailure` if the directory cannot be read.
    public init(of root: FilePath) throws {
        self.root = root
        guard FileStatus(of: root)?.kind == .directory else {
            throw InstallationFailure("\(root) is not a directory")
        }
        try inspect("")
        for shelf in ["modules", "support"]
        where FileStatus(of: root.appending(shelf))?.kind == .directory {
            try inspect(shelf)
        }
        if count == 0 { checkRoot() }
        if count == 0 && complaints.isEmpty {
            complain(
                root.string,
                "has no module: a module must be at the root, or in NAME/, modules/NAME/ or "
                    + "support/NAME/")
        }
    }

    private mutating func complain(_ path: String, _ message: String) {
        complaints.append(
            Diagnostic(file: PrintableText.of(path), position: .start, message: message))
    }

    private mutating func inspect(_ shelf: String) throws {
        let directory = shelf.isEmpty ? root : root.appending(shelf)
        let entries: [FilePath.Component]
        do throws(SystemCallError) {
            entries = try Directory.list(directory)
        } catch {
            throw InstallationFailure("\(error)")
        }
        for entry in entries.sorted(by: { $0.string < $1.string }) {
            let path = directory.appending(entry)
            guard !entry.string.hasPrefix("."), FileStatus(of: path)?.kind == .directory else {
                continue
            }
            guard FileStatus(of: path, followingLinks: false)?.kind == .directory else {
                if !shelf.isEmpty || Self.looksLikeModule(path, entry.string) {
                    complain(
                        path.string,
                        "is a symbolic link, and crd cannot install from one; put the module's "
                            + "directory there")
                }
                continue
            }
            // The root may also contain directories that are not modules.
            if shelf.isEmpty && !Self.looksLikeModule(path, entry.string) { continue }
            guard let name = ModuleName(entry.string), !ModuleName.isSkipped(entry.string) else {
                complain(
                    path.string,
                    "is not a valid module name; rename it, using \(ModuleName.rule)")
                continue
            }
            check(name, path, in: shelf)
        }
    }

    private static func looksLikeModule(_ path: FilePath, _ name: String) -> Bool {
        let names = [Role.check.rawValue, Role.response.rawValue, name]
        if names.contains(where: { FileStatus(of: path.appending($0))?.kind == .regular }) {
            return true
        }
        // A module whose executables are misnamed.
        let files = (try? Directory.list(path).map(\.string)) ?? []
        return files.contains(ModuleOnDisk.manifestName.string)
            && names.contains { ExecutableName.misnamed($0, among: files) != nil }
    }

    private mutating func check(_ name: ModuleName, _ path: FilePath, in shelf: String) {
        count += 1
        let module = ModuleInspection(of: path, named: name, as: path.string)
        complaints += module.complaints
        warnings += module.warnings
        if module.kind != nil { complaints += module.shortcomings(as: path.string) }
        switch (shelf, module.kind) {
        case ("modules", .support?):
            complain(path.string, "is a support module; move it to support/")
        case ("support", .user?): complain(path.string, "is a user module; move it to modules/")
        default: break
        }
        if let other = shelfOfName.updateValue(shelf, forKey: name) {
            complain(
                path.string,
                "has the name of a module in \(other.isEmpty ? "the root" : "\(other)/"); a name may "
                    + "belong to one module only")
        }
    }

    /// Checks a module at the root, which has no directory name. A support module gets the name of
    /// its executable.
    private mutating func checkRoot() {
        let names = Directory.entries(of: root).map(\.string).sorted()
        let isUser = [Role.check.rawValue, Role.response.rawValue].contains(where: names.contains)
        let executable = names.first { name in
            guard ModuleName(name) != nil, ModuleScript(rawValue: name) == nil,
                let status = FileStatus(of: root.appending(name))
            else { return false }
            return status.kind == .regular && status.mode & 0o111 != 0
        }
        guard let name = isUser ? ModuleName("module") : executable.flatMap(ModuleName.init) else {
            return
        }
        check(name, root, in: "")
    }
}
