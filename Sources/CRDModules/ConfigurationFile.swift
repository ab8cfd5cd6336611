// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
import Glibc
public import SystemPackage

/// crd.conf as it was found.
public struct ConfigurationFile: Sendable {
    public static let defaultPath = FilePath("/etc/CRD/crd.conf")

    public let path: FilePath
    public let configuration: Configuration

    /// crd.conf cannot be used.
    public struct Unusable: Error, CustomStringConvertible {
        public let complaints: [Diagnostic]

        public var description: String {
            complaints.map(\.description).joined(separator: "\n")
        }
    }

    /// Reads the file, as `--config` or else `CRD_CONFIG` names it. The default one may be
    /// missing: then every key has its default.
    ///
    /// - Throws: `Unusable` with every complaint there is.
    public static func load(_ named: String?) throws(Unusable) -> ConfigurationFile {
        let variable = getenv("CRD_CONFIG").map { String(cString: $0) }
        let name = named ?? variable.flatMap { $0.isEmpty ? nil : $0 }
        let path = absolute(name.map { FilePath($0) } ?? defaultPath)
        if name == nil && FileStatus(of: path, followingLinks: false) == nil {
            return ConfigurationFile(path: path, configuration: Configuration())
        }
        let (configuration, complaints) = read(path)
        if !complaints.isEmpty { throw Unusable(complaints: complaints) }
        return ConfigurationFile(path: path, configuration: configuration)
    }

    private static func read(_ path: FilePath) -> (Configuration, [Diagnostic]) {
        do throws(Diagnostic) {
            let root = try TOMLFile.read(path, under: OwnershipRule())
            return Configuration.decode(root, file: path.string)
        } catch {
            return (Configuration(), [error])
        }
    }

    /// Children run elsewhere, and read the name in `CRD_CONFIG`.
    private static func absolute(_ path: FilePath) -> FilePath {
        guard path.isRelative, let directory = getcwd(nil, 0) else { return path }
        defer { free(directory) }
        return FilePath(platformString: directory).pushing(path)
    }
}
