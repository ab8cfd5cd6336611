// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// The directories that contain the modules.
public struct ModuleDirectories {
    private let modules: FilePath
    private let support: FilePath
    /// The directories above each module, which the modules share.
    private let wayToModules: OwnershipRule.Way
    private let wayToSupport: OwnershipRule.Way
    private let rule: OwnershipRule
    /// Whether a role may run as another user, which only root can arrange.
    private let switchesUsers: Bool
    private let ownAccount = UserAccount.daemon
    private let findAccount: (String) -> AccountAnswer
    private let reach: PathReach
    /// Examines executables; nil in the daemon, which must not wait for that.
    private let judgement: ExecutableJudgement?

    /// The modules and faults that were found.
    public struct Contents: Sendable {
        /// In name order, user modules and support modules together.
        public var modules: [ModuleOnDisk] = []
        /// The faults of directory entries that are not modules.
        public var complaints: [Diagnostic] = []
        /// Whether the directory of the user modules could be read.
        public var isReadable = true

        /// All faults and doubtful parts: errors and warnings.
        public var allComplaints: [Diagnostic] {
            complaints
                + modules.flatMap { $0.complaints + $0.executableComplaints + $0.warnings }
        }

        /// The faults that remain until a file is fixed and read again.
        public var lastingComplaints: [Diagnostic] {
            complaints + modules.flatMap(\.complaints)
        }
    }

    /// - Parameters:
    ///   - switchesUsers: false if roles that name another user must be refused.
    ///   - findAccount: asks the name service.
    ///   - reach: tells which paths can be read.
    ///   - judgement: examines executables too.
    public init(
        _ configuration: Configuration, switchesUsers: Bool = geteuid() == 0,
        findAccount: @escaping (String) -> AccountAnswer = AccountAnswer.waiting,
        reach: PathReach = PathReach(), judgement: ExecutableJudgement? = nil
    ) {
        modules = FilePath(configuration.modules)
        support = FilePath(configuration.support)
        wayToModules = OwnershipRule.Way(to: modules)
        wayToSupport = OwnershipRule.Way(to: support)
        rule = OwnershipRule()
        self.switchesUsers = switchesUsers
        self.findAccount = findAccount
        self.reach = reach
        self.judgement = judgement
    }

    /// Reads every module. A faulty module is listed with its complaints and does not affect the
    /// others.
    public func contents() -> Contents {
        var contents = Contents()
        for name in names(in: modules, kind: .user, &contents) {
            contents.modules.append(userModule(name))
        }
        contents.modules += supportModules(&contents)
        contents.modules.sort { $0.name < $1.name }
        return contents
    }

    /// Returns the names of the existing user modules.
    public func names() -> [ModuleName] {
        var contents = Contents()
        return names(in: modules, kind: .user, &contents)
    }

    /// Reads those of these user modules that exist, and the support modules.
    public func contents(only names: [ModuleName]) -> Contents {
        var contents = Contents()
        contents.isReadable =
            reach.obstacle(on: modules) == nil && FileStatus(of: modules)?.kind == .directory
        for name in names where isThere(modules.appending(name.description)) {
            contents.modules.append(userModule(name))
        }
        contents.modules += supportModules(&contents)
        return contents
    }

    /// Reads one user module, whether it exists or not.
    public func contents(of name: ModuleName) -> ModuleOnDisk { userModule(name) }

    private func supportModules(_ contents: inout Contents) -> [ModuleOnDisk] {
        names(in: support, kind: .support, &contents).map(supportModule)
    }

    /// Returns whether the path may be a module: not a file, but possibly a dangling link.
    private func isThere(_ path: FilePath) -> Bool {
        if reach.obstacle(on: path) != nil { return true }
        return FileStatus(of: path).map { $0.kind == .directory }
            ?? (FileStatus(of: path, followingLinks: false) != nil)
    }

    private func names(
        in shelf: FilePath, kind: ModuleKind, _ contents: inout Contents
    ) -> [ModuleName] {
        let entries: [(path: FilePath, name: String)]
        if let obstacle = reach.obstacle(on: shelf) {
            if kind == .user { contents.isReadable = false }
            contents.complaints.append(Self.complaint(shelf, obstacle.description))
            return []
        }
        do throws(SystemCallError) {
            entries = try Directory.list(shelf).map { (shelf.appending($0), $0.string) }
        } catch {
            if kind == .user { contents.isReadable = false }
            // Support modules are optional; without a directory of modules the daemon has nothing
            // to do.
            if kind == .user || error.errno != .noSuchFileOrDirectory {
                contents.complaints.append(
                    Self.complaint(
                        shelf,
                        "cannot be read: \(error.errno); make the directory, or name "
                            + "another with '\(kind == .user ? "modules" : "support")' in crd.conf")
                )
            }
            return []
        }
        var names: [ModuleName] = []
        for (path, entry) in entries.sorted(by: { $0.name < $1.name })
        where !ModuleName.isSkipped(entry) && isThere(path) {
            if let name = ModuleName(entry) {
                names.append(name)
            } else if Self.wasMeant(path, kind) {
                contents.complaints.append(
                    Self.complaint(
                        path,
                        "is not a valid module name; rename it, using \(ModuleName.rule)"))
            }
        }
        return names
    }

    /// Returns whether a directory is meant to be a module, whatever its name; `lost+found` and the
    /// like are skipped.
    private static func wasMeant(_ directory: FilePath, _ kind: ModuleKind) -> Bool {
        let own = kind == .support ? [directory.lastComponent?.string ?? ""] : []
        return
            (own + ["install", "rollback", manifestName.string]
            + Role.allCases.map(\.fileName.string)).contains {
                FileStatus(of: directory.appending($0), followingLinks: false) != nil
            }
    }

    private static let manifestName = ModuleOnDisk.manifestName

    // MARK: One module

    private func userModule(_ name: ModuleName) -> ModuleOnDisk {
        let directory = modules.appending(name.description)
        if let stalled = stalled(directory, name, .user, Role.allCases.map(\.fileName)) {
            return stalled
        }
        var complaints: [Diagnostic] = []
        var executableComplaints: [Diagnostic] = []
        var manifest = Manifest()
        var accounts: [Role: UserAccount] = [:]
        var executables: [FileStatus?] = []
        var isRefused = true
        var awaitsAccount = false
        let manifestFile = directory.appending(ModuleOnDisk.manifestName)
        let stamp = ModuleOnDisk.stamp(of: manifestFile)
        let hasManifest = FileStatus(of: manifestFile, followingLinks: false) != nil
        let isHalf = ModuleOnDisk.isUnfinished(at: directory)
        if complainAbout(directory, &complaints) {
            isRefused = false
            let root = root(of: directory, &complaints, &isRefused)
            let file = directory.appending(ModuleOnDisk.manifestName)
            manifest = decode(root, file, &complaints)
            for role in Role.allCases {
                let position = root.map { userPosition(role, $0) } ?? .start
                accounts[role] = account(
                    manifest.roles[role]?.user, file, position, &complaints, &awaitsAccount)
            }
            // Both roles may get the complaint from the same line.
            if complaints.count > 1, complaints.last == complaints.dropLast().last {
                complaints.removeLast()
            }
            complaints += missing(of: manifest, file, root)
            if let root { complaints += PathAdvice.warnings(about: root, in: file.string, reach) }
            for role in Role.required {
                executables.append(
                    complainAbout(
                        executable: directory.appending(role.fileName),
                        ownedAlsoBy: accounts[role]?.uid, manifest, &executableComplaints))
            }
            let twin = support.appending(name.description)
            if reach.obstacle(on: twin) == nil, FileStatus(of: twin)?.kind == .directory {
                complaints.append(
                    Self.complaint(
                        directory,
                        "has the name of the support module \(twin); a name cannot "
                            + "be used for both: rename one of them"))
            }
        }
        return ModuleOnDisk(
            name: name, kind: .user, way: .init(to: name.description, in: wayToModules),
            manifest: manifest,
            accounts: accounts, complaints: complaints, executableComplaints: executableComplaints,
            executables: executables, manifestStamp: stamp, hasManifest: hasManifest,
            isHalf: isHalf, isRefused: isRefused, awaitsAccount: awaitsAccount)
    }

    /// Returns the module as stalled if it is on a mount that does not answer.
    private func stalled(
        _ directory: FilePath, _ name: ModuleName, _ kind: ModuleKind,
        _ executables: [FilePath.Component]
    ) -> ModuleOnDisk? {
        let names = [ModuleOnDisk.manifestName] + executables
        guard let obstacle = reach.obstacle(on: names, in: directory) else { return nil }
        return ModuleOnDisk(
            name: name, kind: kind,
            way: .init(to: name.description, in: kind == .user ? wayToModules : wayToSupport),
            complaints: [Self.complaint(directory, obstacle.description)], isStalled: true)
    }

    private func supportModule(_ name: ModuleName) -> ModuleOnDisk {
        let directory = support.appending(name.description)
        if let stalled = stalled(directory, name, .support, []) { return stalled }
        var complaints: [Diagnostic] = []
        var manifest = Manifest()
        if complainAbout(directory, &complaints) {
            var isRefused = false
            let root = root(of: directory, &complaints, &isRefused)
            let file = directory.appending(ModuleOnDisk.manifestName)
            manifest = decode(root, file, &complaints)
            complaints += missing(of: manifest, file, root)
            complainAbout(
                executable: directory.appending(name.description), ownedAlsoBy: nil, manifest,
                &complaints)
            for role in Role.allCases
            where FileStatus(of: directory.appending(role.fileName)) != nil {
                complaints.append(
                    Self.complaint(
                        directory.appending(role.fileName),
                        "makes this a user module; move the "
                            + "directory to \(modules), or remove the file"))
            }
        }
        return ModuleOnDisk(
            name: name, kind: .support, way: .init(to: name.description, in: wayToSupport),
            manifest: manifest, complaints: complaints)
    }

    /// Decodes the manifest and collects its faults.
    private func decode(
        _ root: TOMLTable?, _ file: FilePath, _ complaints: inout [Diagnostic]
    ) -> Manifest {
        guard let root else { return Manifest() }
        let (manifest, faults) = Manifest.decode(
            root, file: file.string, compile: Pattern.outline)
        complaints += faults
        return manifest
    }

    /// Returns a complaint for each required support module that is not installed.
    private func missing(
        of manifest: Manifest, _ file: FilePath, _ root: TOMLTable?
    ) -> [Diagnostic] {
        manifest.requires.filter { name in
            let executable = support.appending("\(name)/\(name)")
            return reach.obstacle(on: executable) == nil
                && FileStatus(of: executable, followingLinks: false) == nil
        }.map { name in
            Diagnostic(
                file: file.string, position: root?["requires"]?.value.position ?? .start,
                message: "'requires': the support module \(name) is not installed; run: "
                    + "crd --install \(name)")
        }
    }

    /// Returns nil if there is no manifest, or none that can be read.
    private func root(
        of directory: FilePath, _ complaints: inout [Diagnostic], _ isRefused: inout Bool
    ) -> TOMLTable? {
        do throws(Diagnostic) {
            return try TOMLFile.readIfThere(
                ModuleOnDisk.manifestName, in: directory, under: rule)
        } catch {
            complaints.append(error)
            let file = directory.appending(ModuleOnDisk.manifestName)
            isRefused = (try? rule.verify(lastOf: file)) == nil
            return nil
        }
    }

    private func account(
        _ name: String?, _ file: FilePath, _ position: SourcePosition,
        _ complaints: inout [Diagnostic], _ awaitsAccount: inout Bool
    ) -> UserAccount? {
        let own = ownAccount
        guard let name else { return own }
        func complain(_ message: String) -> UserAccount? {
            complaints.append(
                Diagnostic(file: file.string, position: position, message: message))
            return nil
        }
        let account: UserAccount
        switch findAccount(name) {
        case .found(let found): account = found
        case .unknown:
            return complain("'user': there is no user \"\(name)\"; create it, or name another")
        case .pending:
            awaitsAccount = true
            return complain(
                "'user': the name service has not answered the query for \"\(name)\" yet; the "
                    + "module is activated when it does")
        }
        guard account.uid == own.uid || switchesUsers else {
            return complain(
                "'user': crd runs as \(own.name) and cannot become \"\(name)\"; run crd as root, "
                    + "or remove the key")
        }
        return account
    }

    private func userPosition(_ role: Role, _ root: TOMLTable) -> SourcePosition {
        if case .table(let settings) = root[role.rawValue]?.value.content,
            let user = settings["user"]
        {
            return user.value.position
        }
        return root["user"]?.value.position ?? .start
    }

    // MARK: Complaints

    /// Returns whether the directory exists and only trusted users can change it.
    private func complainAbout(_ directory: FilePath, _ complaints: inout [Diagnostic]) -> Bool {
        do throws(FileRefusal) {
            let status = try rule.verify(directory)
            guard status.kind == .directory else {
                throw FileRefusal(directory, "does not lead to a directory")
            }
            return true
        } catch {
            complaints.append(Self.complaint(about: directory, error))
            return false
        }
    }

    /// Collects the faults of an executable.
    ///
    /// - Returns: the file's status if there is no fault.
    @discardableResult
    private func complainAbout(
        executable path: FilePath, ownedAlsoBy owner: UID?, _ manifest: Manifest,
        _ complaints: inout [Diagnostic]
    ) -> FileStatus? {
        do throws(FileRefusal) {
            let status = try rule.verifyExecutable(path, ownedAlsoBy: owner)
            let objection = judgement?.objection(
                to: path, as: path.string, searchPath: manifest.environment["PATH"])
            if let objection { complaints.append(Self.complaint(path, objection.reason)) }
            return status
        } catch {
            var complaint = Self.complaint(about: path, error)
            if judgement != nil, error.isMissing(path), let name = path.lastComponent {
                complaint.message += ExecutableName.advice(
                    for: name.string, in: path.removingLastComponent())
            }
            complaints.append(complaint)
            return nil
        }
    }

    private static func complaint(about path: FilePath, _ refusal: FileRefusal) -> Diagnostic {
        let told = refusal.told(of: path)
        return complaint(path, told.path == path ? told.reason : told.description)
    }

    private static func complaint(_ path: FilePath, _ message: String) -> Diagnostic {
        Diagnostic(file: path.string, position: .start, message: message)
    }
}
