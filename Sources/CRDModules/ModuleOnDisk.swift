// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
public import CRDLinux
import Glibc
public import SystemPackage

/// A module's directory as it was found.
public struct ModuleOnDisk: Sendable {
    public let name: ModuleName
    public let kind: ModuleKind
    public var directory: FilePath { way.path }
    private let way: OwnershipRule.Way
    private let manifestFile: FilePath
    private let check: FilePath
    private let response: FilePath
    public let manifest: Manifest
    /// Who each role runs as.
    public let accounts: [Role: UserAccount]
    /// What must be mended and read again before the module can run: errors.
    public let complaints: [Diagnostic]
    /// What its author hardly meant; the module runs all the same.
    public let warnings: [Diagnostic]
    /// What is wrong with its executables; they are looked at again before each run.
    public let executableComplaints: [Diagnostic]
    /// Somebody else could change what it is read from: it may not run.
    public let isRefused: Bool
    /// The name service has not answered about a user that it names.
    public let awaitsAccount: Bool
    /// It lies on a mount whose server does not answer: nothing of it was read.
    public let isStalled: Bool
    /// Of its executables: another where one of them was written, replaced or given other rights.
    private let fingerprint: Int
    /// Of what is in them; nil where nobody has asked.
    private var content: Int?
    /// Of its manifest, as that was before it was read.
    private let manifestStamp: Int
    /// Whether there was a manifest, faulty or not.
    public let hasManifest: Bool
    /// Neither a manifest nor all executables: somebody is still copying, or it will never run.
    public let isHalf: Bool

    /// - Parameter complaints: errors and warnings.
    init(
        name: ModuleName, kind: ModuleKind, way: OwnershipRule.Way, manifest: Manifest = Manifest(),
        accounts: [Role: UserAccount] = [:], complaints: [Diagnostic],
        executableComplaints: [Diagnostic] = [], executables: [FileStatus?] = [],
        manifestStamp: Int = 0, hasManifest: Bool = true, isHalf: Bool = false,
        isRefused: Bool = false, awaitsAccount: Bool = false, isStalled: Bool = false
    ) {
        self.name = name
        self.kind = kind
        self.way = way
        // Put together once: they are looked at before every run.
        manifestFile = way.path.appending(Self.manifestName)
        check = way.path.appending(Role.check.fileName)
        response = way.path.appending(Role.response.fileName)
        self.manifest = manifest
        self.accounts = accounts
        self.complaints = complaints.errors
        warnings = complaints.warnings
        self.executableComplaints = executableComplaints
        fingerprint = executables.hashValue
        self.manifestStamp = manifestStamp
        self.hasManifest = hasManifest
        self.isHalf = isHalf
        self.isRefused = isRefused
        self.awaitsAccount = awaitsAccount
        self.isStalled = isStalled
    }

    /// Why it cannot run before its files are read again; nil where nothing keeps it from that.
    public var reasonUnable: String? {
        if let complaint = complaints.first { return "\(complaint)" }
        // Its manifest may be yet to come, so it does not begin to run unread.
        guard isHalf, let complaint = executableComplaints.first else { return nil }
        return "\(complaint.file) \(complaint.message)"
    }

    /// Whether it was read from the same files, with the same in them.
    public func isSame(as other: ModuleOnDisk) -> Bool {
        (fingerprint == other.fingerprint || (content != nil && content == other.content))
            && directory == other.directory && kind == other.kind
            && manifest == other.manifest && accounts == other.accounts
            && complaints == other.complaints && executableComplaints == other.executableComplaints
    }

    /// Whether its executables may be others than those of `other`, by all that the file system says
    /// of them: then what is in them decides.
    public func mayDiffer(from other: ModuleOnDisk) -> Bool { fingerprint != other.fingerprint }

    /// Reads what is in its executables: one that was only touched, or replaced by its like, has not
    /// changed.
    public mutating func readContent() {
        var hasher = Hasher()
        for file in [check, response] {
            // Its owner, who may be the user that a role runs as, must not hold us.
            guard let status = FileStatus(of: file),
                let bytes = try? Descriptor.openRegular(file).readAll(limit: Self.contentMax)
            else { continue }
            hasher.combine(status.size)
            hasher.combine(bytes)
        }
        content = hasher.finalize()
    }

    /// Enough to tell two versions of a program apart.
    private static let contentMax = 1 << 20

    /// Why it cannot be judged yet; nil where nothing speaks against that.
    public var unreadiness: FileChanges.Unreadiness? {
        if isStalled { return .stalled }
        if awaitsAccount { return .withoutAccount }
        if isBeingWritten { return .beingWritten }
        return [check, response].contains { FileStatus(of: $0) == nil } ? .incomplete : nil
    }

    /// Whether neither a manifest nor both executables are there.
    public static func isUnfinished(at directory: FilePath) -> Bool {
        FileStatus(of: directory.appending(manifestName), followingLinks: false) == nil
            && Role.allCases.contains { FileStatus(of: directory.appending($0.fileName)) == nil }
    }

    /// Whether somebody has one of its files open for writing, or had when the manifest was read.
    private var isBeingWritten: Bool {
        [check, response, manifestFile].contains(where: WriteLease.contains)
            || Self.stamp(of: manifestFile) != manifestStamp
    }

    /// Another whenever the file is.
    static func stamp(of file: FilePath) -> Int { FileStatus(of: file).hashValue }

    /// The names of the files in a module's directory that say what it is.
    public static func isTelling(_ name: String) -> Bool {
        tellingNames.contains(name)
    }

    private static let tellingNames = Set(
        [manifestName.string] + Role.allCases.map(\.fileName.string))

    /// The file that is executed for a role.
    public func executable(_ role: Role) -> FilePath {
        switch role {
        case .check: check
        case .response: response
        }
    }

    /// Looks again at all that decides what a run executes: the directory and those above it, the
    /// manifest, and the executables.
    ///
    /// - Throws: `Refusal` for the first thing that is wrong.
    public func verify(under rule: OwnershipRule) throws(Refusal) {
        try rule.verify(way)
        do throws(Refusal) {
            try rule.verify(lastOf: manifestFile)
        } catch let error where error.isMissing(manifestFile) {
            // A module need not have one.
        }
        for role in Role.allCases { try verifyExecutable(role, under: rule) }
    }

    /// Looks again at what the next step of a run executes, and at the directories above it.
    public func verify(_ role: Role, under rule: OwnershipRule) throws(Refusal) {
        try rule.verify(way)
        try verifyExecutable(role, under: rule)
    }

    private func verifyExecutable(_ role: Role, under rule: OwnershipRule) throws(Refusal) {
        try Self.verifyExecutable(
            executable(role), under: rule, ownedAlsoBy: accounts[role]?.uid)
    }

    static let manifestName: FilePath.Component = "module.toml"

    /// Whether the file is there, is nobody else's, and may be executed. The directory was verified
    /// just now.
    @discardableResult
    static func verifyExecutable(
        _ path: FilePath, under rule: OwnershipRule, ownedAlsoBy owner: UID?
    ) throws(Refusal) -> FileStatus {
        let status: FileStatus
        do throws(Refusal) {
            status = try rule.verify(lastOf: path, ownedAlsoBy: owner)
        } catch let error where error.isMissing(path) {
            throw Refusal(
                path, "is not there; a module needs an executable of that name", isMissing: true)
        } catch {
            throw error.told(of: path)
        }
        guard status.kind == .regular else {
            throw Refusal(path, "is not a regular file; put an executable there")
        }
        guard status.mode & 0o111 != 0 else {
            throw Refusal(path, "is not executable; run: chmod +x '\(path)'")
        }
        return status
    }
}

extension Role {
    /// The name of its executable.
    var fileName: FilePath.Component {
        switch self {
        case .check: "check"
        case .response: "response"
        }
    }
}
