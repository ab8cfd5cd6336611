// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
import FoundationEssentials
import Glibc
import SystemPackage

/// What was installed, from where, and how each file was when its `install` had succeeded.
public struct Receipt: Codable, Equatable, Sendable {
    public struct File: Codable, Equatable, Sendable {
        /// Of a file, as `sha256sum` prints it.
        public var sha256: String?
        /// The permission bits in octal, such as `0755`.
        public var mode: String?
        /// What a symbolic link says.
        public var link: String?
    }

    public var name: String
    public var kind: ModuleKind
    /// As git takes it.
    public var origin: String
    public var ref: String
    public var commit: String
    /// Who signed the commit, and with which key; nil where nobody asked.
    public var signer: String?
    /// RFC 3339, UTC.
    public var time: String
    /// By their paths in the module's directory.
    public var files: [String: File]

    /// Nil where there is none.
    ///
    /// - Throws: `InstallationFailure` for one that cannot be read.
    static func load(_ path: FilePath) throws(InstallationFailure) -> Receipt? {
        do {
            return try JSONFile.load(Receipt.self, from: path, sizeMax: sizeMax)
        } catch let error as SystemCallError {
            throw InstallationFailure("\(error)")
        } catch {
            throw InstallationFailure(
                "the receipt \(path) cannot be read; run: crd remove \(path.stem ?? "") --force, and "
                    + "install the module again (\(error))")
        }
    }

    private static let sizeMax = 1 << 26

    func store(_ path: FilePath) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try DurableFile.replace(path, with: Array(encoder.encode(self)) + [UInt8(ascii: "\n")])
    }

    /// What is in a directory now, as it is written down.
    ///
    /// - Throws: `InstallationFailure` where it cannot be read, or has two names that are one to
    ///   whoever reads JSON.
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

    /// What is in a directory now.
    ///
    /// - Throws: `InstallationFailure` where it cannot be read.
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
            // As JSON will have it, which what is not UTF-8 is not found by.
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
                if path == entry.path { regular.append(path) }
            case .other: files[path] = File(mode: padded)
            }
        }
        for (path, digest) in try FileDigest.sha256(of: regular, in: directory) {
            files[path]?.sha256 = digest
        }
        return files
    }
}
