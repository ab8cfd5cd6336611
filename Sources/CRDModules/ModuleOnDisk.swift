// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
public import CRDLinux
import Glibc
public import SystemPackage

/// A module's directory as it was read.
public struct ModuleOnDisk: Sendable {
    public let name: ModuleName
    public let kind: ModuleKind
    public var directory: FilePath { way.path }
    private let way: OwnershipRule.Way
    private let manifestFile: FilePath
    private let check: FilePath
    private let response: FilePath
    public let manifest: Manifest
    /// The user of each role.
    public let accounts: [Role: UserAccount]
    /// Errors that must be fixed, and read again, before the module can run.
    public let complaints: [Diagnostic]
    /// Parts that its author probably did not intend; the module runs nevertheless.
    public let warnings: [Diagnostic]
    /// The faults of its executables, which are verified again before each run.
    public let executableComplaints: [Diagnostic]
    /// Whether an untrusted user could change the files it is read from: then it may not run.
    public let isRefused: Bool
    /// Whether the name service has not answered yet about a user that it names.
    public let awaitsAccount: Bool
    /// Whether it is on a mount whose server does not answer: nothing of it was read.
    public let isStalled: Bool
    /// A hash of its executables' status; it differs if one was written or replaced, or if its mode
    /// changed.
    private let fingerprint: Int
    /// A hash of the executables' content; nil until `readContent`.
    private var content: Int?
    /// The status of its manifest before it was read, as a hash.
    private let manifestStamp: Int
    /// Whether there was a manifest, valid or not.
    public let hasManifest: Bool
    /// Whether it has neither a manifest nor all executables: it is still being copied, or will
    /// never run.
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
        // Computed once, since they are needed before every run.
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

    /// Why it cannot run until its files are read again; nil if it can run.
    public var reasonUnable: String? {
        if let complaint = complaints.first { return "\(complaint)" }
        // Its manifest may still come, so it must not run without it.
        guard isHalf, let complaint = executableComplaints.first else { return nil }
        return "\(complaint.file) \(complaint.message)"
    }

    /// Returns whether it was read from the same files, with the same content.
    public func isSame(as other: ModuleOnDisk) -> Bool {
        (fingerprint == other.fingerprint || (content != nil && content == other.content))
            && directory == other.directory && kind == other.kind
            && manifest == other.manifest && accounts == other.accounts
            && complaints == other.complaints && executableComplaints == other.executableComplaints
    }

    /// Returns whether its executables may differ from those of `other`, judged by their file
    /// status; then `readContent` decides.
    public func mayDiffer(from other: ModuleOnDisk) -> Bool { fingerprint != other.fingerprint }

    /// Reads its executables: one that was only touched, or replaced by a copy, has not changed.
    public mutating func readContent() {
        var hasher = Hasher()
        for file in [check, response] {
            // `openRegular` does not block: the file's owner may be a role's user and must not
            // stall us.
            guard let status = FileStatus(of: file),
                let bytes = try? Descriptor.openRegular(file).readAll(limit: Self.contentMax)
            else { continue }
            hasher.combine(status.size)
            hasher.combine(bytes)
        }
        content = hasher.finalize()
    }

    /// Enough to distinguish two versions of a program, in bytes.
    private static let contentMax = 1 << 20

    /// Why it cannot be judged yet; nil if it can.
    public var unreadiness: FileChanges.Unreadiness? {
        if isStalled { return .stalled }
        if awaitsAccount { return .withoutAccount }
        if isBeingWritten { return .beingWritten }
        let isComplete = Role.required.allSatisfy { FileStatus(of: executable($0)) != nil }
        return isComplete ? nil : .incomplete
    }

    /// Returns whether it has neither a manifest nor all required executables.
    public static func isUnfinished(at directory: FilePath) -> Bool {
        FileStatus(of: directory.appending(manifestName), followingLinks: false) == nil
            && Role.required.contains { FileStatus(of: directory.appending($0.fileName)) == nil }
    }

    /// Whether one of its files is open for writing, or its manifest has changed since it was read.
    private var isBeingWritten: Bool {
        (Role.allCases.map(executable) + [manifestFile]).contains(where: WriteLease.contains)
            || Self.stamp(of: manifestFile) != manifestStamp
    }

    /// Returns a value that changes whenever the file does.
    static func stamp(of file: FilePath) -> Int { FileStatus(of: file).hashValue }

    /// Returns whether a file of this name defines a module.
    public static func isTelling(_ name: String) -> Bool {
        tellingNames.contains(name)
    }

    private static let tellingNames = Set(
        [manifestName.string] + Role.allCases.map(\.fileName.string))

    /// Returns the file that is executed for a role.
    public func executable(_ role: Role) -> FilePath {
        switch role {
        case .check: check
        case .response: response
        }
    }

    /// Verifies everything that decides what a run executes: the module's directory and those above
    /// it, the manifest, and the executables.
    ///
    /// - Throws: `FileRefusal` for the first fault.
    public func verify(under rule: OwnershipRule) throws(FileRefusal) {
        try rule.verify(way)
        do throws(FileRefusal) {
            try rule.verify(lastOf: manifestFile)
        } catch let error where error.isMissing(manifestFile) {
            // The manifest is optional.
        }
        for role in Role.required { try verifyExecutable(role, under: rule) }
    }

    /// Verifies the executable of the run's next step, and the directories above it.
    public func verify(_ role: Role, under rule: OwnershipRule) throws(FileRefusal) {
        try rule.verify(way)
        try verifyExecutable(role, under: rule)
    }

    private func verifyExecutable(_ role: Role, under rule: OwnershipRule) throws(FileRefusal) {
        try rule.verifyExecutable(executable(role), ownedAlsoBy: accounts[role]?.uid)
    }

    static let manifestName: FilePath.Component = "module.toml"
}

extension Role {
    /// The file name of the role's executable.
    var fileName: FilePath.Component {
        switch self {
        case .check: "check"
        case .response: "response"
        }
    }
}
