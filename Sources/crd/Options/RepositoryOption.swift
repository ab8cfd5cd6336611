// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules
import Glibc

/// The repository and the version to use.
struct RepositoryOption: ParsableArguments {
    @Option(
        name: [.customShort("l"), .long],
        help: ArgumentHelp(
            "A git URL, a path (it begins with /, ./ or ../), or GitHub's owner/name; "
                + "the default is 'repository' of crd.conf.",
            valueName: "location"),
        completion: .directory)
    var location: String?

    @Option(help: "A branch, a tag or a commit; the default is the repository's HEAD.")
    var ref: String?

    /// Splits `-lLOCATION` into two words; otherwise the parser would search its letters for
    /// options.
    static func separated(_ arguments: ArraySlice<String>) -> ArraySlice<String> {
        ArraySlice(
            arguments.flatMap {
                $0.hasPrefix("-l") && $0 != "-l" && !$0.hasPrefix("-l=")
                    ? ["-l", String($0.dropFirst(2))] : [$0]
            })
    }

    /// Returns the location of `-l`; nil if there is none.
    func named() throws -> RepositoryLocation? {
        guard let location else { return nil }
        let directory = getcwd(nil, 0)
        defer { free(directory) }
        do throws(RepositoryLocation.Malformed) {
            return try RepositoryLocation(
                parsing: location, from: directory.map { String(cString: $0) })
        } catch {
            throw ValidationError(
                "-l: '\(RepositoryLocation.withoutSecrets(location))' \(error.reason)")
        }
    }

    /// Returns the location of `-l`, or else that of crd.conf.
    func location(_ file: ConfigurationFile) throws -> RepositoryLocation {
        if let location = try named() ?? file.configuration.repository { return location }
        StandardError.say(
            "no repository is set; name one with -l, or write into \(file.path): "
                + "repository = \"https://…\" (a git URL or a local directory)")
        throw ExitCode.failure
    }

    func reference() throws -> GitReference? {
        guard let ref else { return nil }
        guard let reference = GitReference(ref) else {
            throw ValidationError("--ref: '\(ref)' does not name a branch, a tag or a commit")
        }
        return reference
    }
}
