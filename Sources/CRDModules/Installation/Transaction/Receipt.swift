// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
import FoundationEssentials
import Glibc
import SystemPackage

/// The origin of an installed module, and the state of each of its files after its `install` had
/// succeeded.
public struct Receipt: Codable, Equatable, Sendable {
    public struct File: Codable, Equatable, Sendable {
        /// The digest of a regular file, as `sha256sum` prints it.
        public var sha256: String?
        /// The permission bits in octal, such as `0755`.
        public var mode: String?
        /// The target of a symbolic link.
        public var link: String?
    }

    public var name: String
    public var kind: ModuleKind
    /// The repository's address for git.
    public var origin: String
    public var ref: String
    public var commit: String
    /// When the commit was made, in seconds since 1970; nil in receipts of versions that did not
    /// record it.
    public var committed: Int64?
    /// The signer of the commit and the key; nil if signatures were not required.
    public var signer: String?
    /// RFC 3339, UTC.
    public var time: String
    /// The files by their paths in the module's directory.
    public var files: [String: File]

    /// Reads a receipt; returns nil if there is none.
    ///
    /// - Throws: `InstallationFailure` if it cannot be read.
    static func load(_ path: FilePath) throws(InstallationFailure) -> Receipt? {
        do {
            return try JSONFile.load(Receipt.self, from: path, sizeMax: sizeMax)
        } catch let error as SystemCallError {
            throw InstallationFailure("\(error)")
        } catch {
            throw InstallationFailure(
                "the receipt \(path) cannot be read (\(error)); run crd remove \(path.stem ?? "") "
                    + "--force, and install the module again")
        }
    }

    private static let sizeMax = 1 << 26

    func store(_ path: FilePath) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try DurableFile.replace(path, with: Array(encoder.encode(self)) + [UInt8(ascii: "\n")])
    }

    /// Returns the current files of a directory in the receipt's form.
    ///
    /// - Throws: `InstallationFailure` if the directory cannot be read, or if two of its names are
    ///   equal for a reader of JSON.
    static func filesByName(
        in directory: FilePath
    ) throws(InstallationFailure) -> [String: File] {
        var files: [String: File] = [:]
        for (path, file) in try self.files(in: directory) {
            guard files.updateValue(file, forKey: path.string) == nil else {
                throw InstallationFailure(
                    "there are two files in \(directory) whose names look the same, "
                        + "\(PrintableText.of(path.string)); give one of them another name")
            }
        }
        return files
    }

    /// Returns the current files of a directory.
    ///
    /// - Throws: `InstallationFailure` if the directory cannot be read.
    static func files(in directory: FilePath) throws(InstallationFailure) -> [FilePath: File] {
        let entries: [FileTree.Entry]
        do throws(SystemCallError) {
            entries = try FileTree.entries(of: directory)
        } catch {
            throw InstallationFailure("\(error)")
        }
        var files: [FilePath: File] = [:]
        var regular: [FilePath] = []
        for entry in entries {
            // As JSON stores it; a name that is not valid UTF-8 does not find its file.
            let path = FilePath(entry.path.string)
            let mode = String(entry.status.mode, radix: 8)
            let padded = String(repeating: "0", count: max(0, 4 - mode.count)) + mode
            switch entry.status.kind {
            case .directory: continue
            case .symbolicLink:
                let target = SymbolicLink.target(of: directory.appending(entry.path.components))
                files[path] = File(link: target?.string ?? "")
            case .regular:
                files[path] = File(mode: padded)
                // A larger one was not installed by us: it has changed, whatever is in it. Its owner
                // may be a role's user, who can make it as large as it likes.
                let isReadable = entry.status.size <= ModuleLimits.bytesMax
                if path == entry.path && isReadable { regular.append(path) }
            case .other: files[path] = File(mode: padded)
            }
        }
        for (path, digest) in try FileDigest.sha256(of: regular, in: directory) {
            files[path]?.sha256 = digest
        }
        return files
    }
}
