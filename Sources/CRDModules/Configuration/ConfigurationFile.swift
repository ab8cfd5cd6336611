// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
import Glibc
public import SystemPackage

/// crd.conf as it was read.
public struct ConfigurationFile: Sendable {
    public static let defaultPath = FilePath("/etc/CRD/crd.conf")

    public let path: FilePath
    public private(set) var configuration: Configuration
    /// All faults of the file; a key with a faulty value has its default.
    public let complaints: [Diagnostic]
    /// Whether the file could be parsed as TOML, or is an optional file that does not exist.
    public let isReadable: Bool
    /// Whether the file was named explicitly and nothing of it can be read: then even the daemon's
    /// socket is unknown.
    public let isAbsent: Bool
    private let named: String?

    /// Reads the file that `--config` names, or else `CRD_CONFIG`. The default file may be missing:
    /// then every key has its default.
    public init(_ named: String?) {
        self.named = named
        let variable = getenv("CRD_CONFIG").map { String(cString: $0) }
        let name = named ?? variable.flatMap { $0.isEmpty ? nil : $0 }
        path = Self.absolute(name.map { FilePath($0) } ?? Self.defaultPath)
        guard path.isAbsolute else {
            let complaint = Diagnostic(
                file: path.string, position: .start,
                message: "cannot be found, since the working directory no longer exists; give the "
                    + "absolute path")
            (configuration, complaints, isReadable) = (Configuration(), [complaint], false)
            isAbsent = true
            return
        }
        if name == nil && FileStatus(of: path, followingLinks: false) == nil {
            (configuration, complaints, isReadable) = (Configuration(), [], true)
            isAbsent = false
            return
        }
        let before = FileStatus(of: path)
        do throws(Diagnostic) {
            let root = try TOMLFile.read(path, under: OwnershipRule())
            let (decoded, faults) = Configuration.decode(root, file: path.string)
            // An unfinished file may be empty for a moment, which would be a valid configuration.
            let isSteady = FileStatus(of: path) == before && !WriteLease.contains(path)
            (configuration, complaints) = (
                decoded, faults + (isSteady ? [] : [Self.unsteady(path)])
            )
            isReadable = true
            isAbsent = false
        } catch {
            let salvaged = Self.salvage(path)
            (configuration, complaints, isReadable) = (salvaged ?? Configuration(), [error], false)
            // Modules get the default file's name in `CRD_CONFIG`, even if they may not read the
            // file.
            let isElsewhere = path != Self.defaultPath || FileStatus(of: path) == nil
            isAbsent = name != nil && salvaged == nil && isElsewhere
        }
    }

    /// Does the same for a command, which may wait up to a second for a file that is being written.
    public static func atRest(_ name: String?) -> ConfigurationFile {
        for _ in 0..<50 {
            let file = ConfigurationFile(name)
            guard file.complaints.contains(unsteady(file.path)) else { return file }
            usleep(20_000)
        }
        return ConfigurationFile(name)
    }

    /// Reads only `runtime` from a file that cannot be parsed as a whole, so that the daemon can
    /// still be reached. Returns nil if the file cannot be read at all.
    private static func salvage(_ path: FilePath) -> Configuration? {
        guard FileStatus(of: path)?.kind == .regular, let text = KernelFile.read(path.string) else {
            return nil
        }
        let line = text.split(separator: "\n").first { line in
            line.drop { $0 == " " || $0 == "\t" }.hasPrefix("runtime")
        }
        guard let line,
            let root = try? TOMLDocument.parse(Array(line.utf8), file: path.string)
        else { return Configuration() }
        return Configuration.decode(root, file: path.string).0
    }

    private static func unsteady(_ path: FilePath) -> Diagnostic {
        Diagnostic(
            file: path.string, position: .start,
            message: "is being written right now; try again once that is done")
    }

    /// Returns the file with the directories that cannot change while the daemon runs.
    public func keeping(state: String, runtime: String) -> ConfigurationFile {
        var file = self
        file.configuration.state = state
        file.configuration.runtime = runtime
        return file
    }

    /// Reads the same file again.
    public func readAgain() -> ConfigurationFile { ConfigurationFile(named) }

    /// Makes the path absolute, since children have other working directories and read it in
    /// `CRD_CONFIG`.
    private static func absolute(_ path: FilePath) -> FilePath {
        guard path.isRelative, let directory = getcwd(nil, 0) else { return path }
        defer { free(directory) }
        return FilePath(platformString: directory).pushing(path)
    }
}
