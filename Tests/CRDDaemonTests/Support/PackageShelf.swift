// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// A directory of packages, gone when it is dropped.
final class PackageShelf {
    /// The release binary.
    static let binary = ProcessInfo.processInfo.environment["CRD_RELEASE_BINARY"] ?? ""
    static let isPossible = !binary.isEmpty && Surroundings.find("dpkg-shlibdeps") != nil
    static let needs = "dpkg-shlibdeps, and make test, which builds what is packaged"

    let path: String

    init() throws { path = try TemporaryDirectory.make() }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// - Returns: the package's path.
    func make(
        version: String, compression: String = "none", as prefix: [String] = []
    ) async throws -> String {
        // A directory that the package's maker may write to.
        let output = "\(path)/\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(
            atPath: output, withIntermediateDirectories: false)
        chmod(output, 0o777)
        let environment = World.environment.merging([
            "BINARY": Self.binary, "VERSION": version, "OUTPUT": output,
            "DPKG_DEB_COMPRESSOR_TYPE": compression, "SOURCE_DATE_EPOCH": "1750000000",
            "DEBFULLNAME": "The maintainers", "DEBEMAIL": "maintainers@example.org",
        ]) { $1 }
        let said = try await Outcome.of(
            prefix + ["\(Repository.path)/scripts/deb"], environment: environment, in: path
        ).output(of: "scripts/deb")
        let package = try #require(said.split(separator: "\n").last)
        return String(package)
    }
}
