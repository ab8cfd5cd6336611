// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// Searches the modules of a repository.
public enum RepositorySearch {
    public struct Found: Encodable, Sendable {
        public let name: String
        public let kind: ModuleKind
        public let description: String?
    }

    /// Returns the modules whose name or description contains the term, ignoring case, in name
    /// order.
    ///
    /// - Throws: `InstallationFailure`.
    public static func search(
        _ term: String, in location: RepositoryLocation, at ref: GitReference,
        _ console: InstallationConsole
    ) throws -> [Found] {
        let directory = try temporaryDirectory()
        defer { try? FileTree.remove(directory) }
        let git = try Git(
            in: directory.appending("fetched"), runID: "search-\(getpid())", console: console)
        let commit = try git.fetch(location, ref)
        let tree = try git.tree(of: commit, location)
        let objects = Dictionary(tree.entries.map { ($0.path, $0.object) }) { first, _ in first }
        var found: [Found] = []
        var descriptionsLeft = descriptionsMax
        for place in tree.places {
            guard let name = place.name, let kind = place.kind else { continue }
            let manifest = objects["\(place.path)/\(ModuleOnDisk.manifestName)"]
            if manifest != nil { descriptionsLeft -= 1 }
            let description =
                descriptionsLeft < 0
                ? nil : try manifest.flatMap { try self.description(in: $0, git, location) }
            let words = "\(name) \(description ?? "")".lowercased()
            guard term.isEmpty || words.contains(term.lowercased()) else { continue }
            found.append(
                Found(name: name.description, kind: kind, description: description))
        }
        if descriptionsLeft < 0 {
            console.say(
                "\(location) has more than \(descriptionsMax) modules with a manifest; of the others "
                    + "only the names were searched")
        }
        return found.sorted { $0.name < $1.name }
    }

    /// Each description takes a call of git.
    private static let descriptionsMax = 1_000

    /// Returns nil if the manifest has no description or is faulty.
    private static func description(
        in object: String, _ git: Git, _ location: RepositoryLocation
    ) throws -> String? {
        let bytes = try git.content(of: object, location, limit: TOMLDocument.sizeMax)
        guard
            let root = try? TOMLDocument.parse(bytes, file: ModuleOnDisk.manifestName.string)
        else { return nil }
        return Manifest.decode(
            root, file: ModuleOnDisk.manifestName.string, compile: Pattern.outline
        ).0.description
    }

    private static func temporaryDirectory() throws -> FilePath {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/crd-search-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw InstallationFailure(
                "\(SystemCallError(function: "mkdtemp", errno: Errno(rawValue: errno), subject: parent)); "
                    + "TMPDIR names the directory"
            )
        }
        return FilePath(platformString: template)
    }
}
