// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import SystemPackage

/// A module that is not active yet: its kind, and the faults of its files.
struct ModuleInspection {
    let name: ModuleName
    /// Nil if it is neither a user module nor a support module.
    let kind: ModuleKind?
    let manifest: Manifest
    /// Errors.
    let complaints: [Diagnostic]
    let warnings: [Diagnostic]
    /// Its files, to be shown before the installation.
    let files: [FileTree.Entry]

    /// Examines a module's directory.
    ///
    /// - Parameters:
    ///   - label: the directory's name in complaints.
    ///   - examinesFiles: false to examine only the files that define the module.
    ///   - isInstalled: whether its `install` was run. Until then, `install` may still provide what
    ///     its executables need.
    init(
        of directory: FilePath, named name: ModuleName, as label: String,
        examinesFiles: Bool = true, isInstalled: Bool = false
    ) {
        self.name = name
        var examiner = Examiner(directory: directory, label: label, isInstalled: isInstalled)
        let brings = !isInstalled && examiner.has(ModuleScript.install.rawValue)
        files = examinesFiles ? examiner.examineFiles() : []
        kind = examiner.kind(of: name)
        manifest = examiner.manifest()
        if kind == .user && manifest.requires.contains(name) { examiner.complainOfItself() }
        let roles = kind == .user ? Role.required.map(\.rawValue) : [name.description]
        for executable in kind == nil ? [] : roles + ModuleScript.allCases.map(\.rawValue) {
            examiner.examine(
                executable: executable, isRequired: roles.contains(executable),
                mayBePrepared: brings && executable != ModuleScript.install.rawValue, manifest)
        }
        complaints = examiner.complaints.errors
        warnings = examiner.complaints.warnings
    }

    /// Returns what a published module should have and this one lacks.
    func shortcomings(as label: String) -> [Diagnostic] {
        var found: [Diagnostic] = []
        func complain(_ file: String, _ message: String) {
            found.append(Diagnostic(file: "\(label)/\(file)", position: .start, message: message))
        }
        let names = Set(files.map(\.path.string))
        if manifest.description == nil {
            complain(
                "module.toml", "'description' is missing; 'crd search' finds the module by it")
        }
        if names.contains("install") && !names.contains("rollback") {
            complain("rollback", "is not there, so nothing undoes what 'install' does")
        }
        if kind == .support && !names.contains("install") {
            complain(
                "install",
                "is not there; a support module needs it to prepare the system, or to check that the system is ready"
            )
        }
        return found
    }
}

/// Examines one directory and collects its faults.
private struct Examiner {
    let directory: FilePath
    let label: String
    /// Whether the module's `install` was run.
    let isInstalled: Bool
    private let judgement = ExecutableJudgement()
    private(set) var complaints: [Diagnostic] = []

    init(directory: FilePath, label: String, isInstalled: Bool) {
        self.directory = directory
        self.label = label
        self.isInstalled = isInstalled
    }

    private mutating func complain(_ path: String, _ message: String) {
        complaints.append(
            Diagnostic(
                file: PrintableText.of(path.isEmpty ? label : "\(label)/\(path)"), position: .start,
                message: message)
        )
    }

    mutating func complainOfItself() {
        complain(
            ModuleOnDisk.manifestName.string,
            "'requires' names the module itself, which is not a support module; leave it out")
    }

    mutating func examineFiles() -> [FileTree.Entry] {
        let entries: [FileTree.Entry]
        do throws(SystemCallError) {
            entries = try FileTree.entries(of: directory) { $0.string != ".git" }
                .filter { $0.path.string != ".git" }
        } catch {
            complain("", "cannot be read: \(error)")
            return []
        }
        for entry in entries { examine(entry) }
        let bytes = entries.filter { $0.status.kind == .regular }.map(\.status.size)
            .saturatingSum()
        if bytes > ModuleLimits.bytesMax {
            complain(
                "",
                "has \(bytes) bytes; a module may have at most "
                    + "\(ByteSize(ModuleLimits.bytesMax)) in all; have 'install' fetch large files")
        }
        let count = entries.count { $0.status.kind != .directory }
        if count > ModuleLimits.filesMax {
            complain(
                "", "has \(count) files; a module may have at most \(ModuleLimits.filesMax)")
        }
        return entries
    }

    private mutating func examine(_ entry: FileTree.Entry) {
        let path = entry.path.string
        if let objection = FileNameRule.objection(to: path) {
            return complain(path, "\(objection); give it another name")
        }
        switch entry.status.kind {
        case .regular where entry.status.mode & 0o7000 != 0:
            complain(
                path,
                "has the mode \(String(entry.status.mode, radix: 8)), with set-user-ID or the "
                    + "like; run: chmod u-s,g-s,-t '\(path)'")
        case .regular, .directory: break
        case .symbolicLink: examineLink(path)
        case .other: complain(path, "is a device, a pipe or a socket; remove it")
        }
    }

    private mutating func examineLink(_ path: String) {
        do throws(SystemCallError) {
            try FileTree.checkThat(FilePath(path), staysIn: directory)
        } catch {
            let target = PrintableText.of(
                SymbolicLink.target(of: directory.appending(path))?.string ?? "")
            complain(
                path,
                error.errno == .improperLink
                    ? "is a symbolic link that leads out of the module, to '\(target)'; put the "
                        + "file itself there, or have 'install' make the link"
                    : "is a symbolic link to '\(target)', which leads nowhere; remove the link, or "
                        + "have 'install' make it")
        }
    }

    /// Returns whether the content may be read. What a link outside the module leads to may not be,
    /// since our messages quote it. Only the module's `install` may make such links.
    private func mayRead(_ name: String) -> Bool {
        let status = FileStatus(of: directory.appending(name), followingLinks: false)
        guard !isInstalled, status?.kind == .symbolicLink else { return true }
        return (try? FileTree.checkThat(FilePath(name), staysIn: directory)) != nil
    }

    func has(_ name: String) -> Bool {
        FileStatus(of: directory.appending(name), followingLinks: false) != nil
    }

    mutating func kind(of name: ModuleName) -> ModuleKind? {
        if let kind = ModuleKind(ofModule: name.description, has: has) { return kind }
        let roles = [Role.check, .response].map(\.rawValue)
        let wanted = roles.contains(where: has) ? roles : roles + [name.description]
        let advice = wanted.filter { !has($0) }.map {
            ExecutableName.advice(for: $0, in: directory)
        }
        complain(
            "", ModuleKind.objection(toModule: name.description, has: has) + advice.joined())
        return nil
    }

    mutating func manifest() -> Manifest {
        let file = ModuleOnDisk.manifestName.string
        guard has(file) else { return Manifest() }
        guard mayRead(file) else { return Manifest() }
        do {
            let bytes = try Descriptor.openRegular(directory.appending(file))
                .readAll(limit: TOMLDocument.sizeMax + 1)
            let root = try TOMLDocument.parse(bytes, file: "\(label)/\(file)")
            let (manifest, faults) = Manifest.decode(
                root, file: "\(label)/\(file)", compile: Pattern.outline)
            complaints += faults
            return manifest
        } catch let error as Diagnostic {
            complaints.append(error)
        } catch {
            complain(file, "cannot be read: \(error)")
        }
        return Manifest()
    }

    /// Examines an executable, if it exists or is required.
    ///
    /// - Parameter mayBePrepared: whether `install` may still provide what it needs on the machine.
    mutating func examine(
        executable name: String, isRequired: Bool, mayBePrepared: Bool, _ manifest: Manifest
    ) {
        guard isRequired || has(name), mayRead(name) else { return }
        guard let status = FileStatus(of: directory.appending(name)), status.kind == .regular else {
            return complain(name, "is not a regular file; put an executable there")
        }
        guard status.mode & 0o111 != 0 else {
            return complain(
                name,
                "is not executable; its owner must run: git update-index --chmod=+x '\(name)'")
        }
        let objection = judgement.objection(
            to: directory.appending(name), as: name, searchPath: manifest.environment["PATH"])
        if let objection, !(objection.isOfMachine && mayBePrepared) {
            complain(name, objection.reason)
        }
    }
}
