// SPDX-License-Identifier: GPL-3.0-or-later

/// The files of one commit, as git lists them, and the modules that they make.
///
/// The tree is examined before any file is written to the disk.
public struct RepositoryTree: Sendable {
    public struct Entry: Hashable, Sendable {
        /// Octal digits, such as `100755` (git-ls-tree(1)).
        public let mode: String
        /// The object name of its content.
        public let object: String
        /// In bytes; nil for an entry without content.
        public let size: Int?
        public let path: String

        static let symbolicLink = "120000"
        static let submodule = "160000"
    }

    /// The place of a module in the repository.
    public struct Place: Hashable, Sendable {
        /// Nil for a module at the root, which has no name of its own.
        public let name: ModuleName?
        /// Without a trailing slash; empty for the root.
        public let path: String
        public let kind: ModuleKind?
    }

    public struct Malformed: Error, Equatable {
        public let reason: String
    }

    public let entries: [Entry]
    public let places: [Place]
    private let paths: Set<String>

    /// How many files a repository may have.
    public static let entriesMax = 100_000

    /// Parses the output of `git ls-tree -r -z -l`.
    ///
    /// - Throws: `Malformed` for a name that a module's file must not have.
    public init(parsing listing: [UInt8]) throws(Malformed) {
        var entries: [Entry] = []
        for record in listing.split(separator: 0) {
            guard entries.count < Self.entriesMax else {
                throw Malformed(reason: "has more than \(Self.entriesMax) files")
            }
            entries.append(try Self.entry(record))
        }
        self.init(entries)
    }

    init(_ entries: [Entry]) {
        self.entries = entries
        paths = Set(entries.map(\.path))
        places = Self.places(among: paths)
    }

    private static func entry(_ record: ArraySlice<UInt8>) throws(Malformed) -> Entry {
        guard let tab = record.firstIndex(of: UInt8(ascii: "\t")) else {
            throw Malformed(reason: "is listed by git in a form that crd does not recognize")
        }
        let fields = record[..<tab].split(separator: UInt8(ascii: " "))
            .map { String(decoding: $0, as: UTF8.self) }
        guard fields.count == 4 else {
            throw Malformed(reason: "is listed by git in a form that crd does not recognize")
        }
        let name = record[(tab + 1)...]
        guard let path = String(validating: name, as: UTF8.self) else {
            throw Malformed(
                reason: "has a name that is not UTF-8: "
                    + QuotedText.double(String(decoding: name, as: UTF8.self)))
        }
        if let objection = FileNameRule.objection(to: path) {
            throw Malformed(reason: "has a file \(QuotedText.double(path)), which \(objection)")
        }
        return Entry(mode: fields[0], object: fields[2], size: Int(fields[3]), path: path)
    }

    // MARK: Modules

    private static func places(among paths: Set<String>) -> [Place] {
        var directories: Set<String> = []
        for path in paths {
            let parts = path.split(separator: "/")
            for count in 1..<max(parts.count, 1) where count <= 2 {
                directories.insert(parts.prefix(count).joined(separator: "/"))
            }
        }
        let shelves = ["", "modules/", "support/"]
        return directories.sorted().compactMap { directory -> Place? in
            let shelf = shelves.last { directory.hasPrefix($0) } ?? ""
            let own = String(directory.dropFirst(shelf.count))
            guard !own.contains("/"), let name = ModuleName(own), !ModuleName.isSkipped(own),
                isModule(at: directory, named: own, among: paths)
            else { return nil }
            return Place(name: name, path: directory, kind: kind(at: directory, own, paths))
        }
    }

    /// Returns whether the directory has any file that makes a module, complete or not.
    private static func isModule(
        at directory: String, named name: String, among paths: Set<String>
    ) -> Bool {
        [Role.check.rawValue, Role.response.rawValue, name].contains {
            paths.contains(below(directory, $0))
        }
    }

    private static func kind(
        at directory: String, _ name: String, _ paths: Set<String>
    ) -> ModuleKind? {
        ModuleKind(ofModule: name) { paths.contains(below(directory, $0)) }
    }

    /// Returns why a place without a kind is no module, to follow its name.
    public func objection(to place: Place, named name: ModuleName) -> String {
        ModuleKind.objection(toModule: name.description) {
            paths.contains(Self.below(place.path, $0))
        }
    }

    private static func below(_ directory: String, _ name: String) -> String {
        directory.isEmpty ? name : "\(directory)/\(name)"
    }

    /// Why a repository has no such module, to follow the location.
    public struct Missing: Error, Equatable {
        public let reason: String
    }

    /// Returns the place of the module of that name: a directory of its name, or the root, if the
    /// module is the only one.
    public func place(of name: ModuleName) throws(Missing) -> Place {
        let found = places.filter { $0.name == name }
        if found.count > 1 {
            let list = found.map { "\($0.path)/" }.joined(separator: " and ")
            throw Missing(
                reason: "has \(name) several times, in \(list); a name must belong to one module "
                    + "only: the repository's owner must rename one of them")
        }
        if let place = found.first { return place }
        let kind = Self.kind(at: "", name.description, paths)
        // A repository of several modules may have a script called check at its root.
        let isHalf = places.isEmpty && Self.isModule(at: "", named: name.description, among: paths)
        if kind != nil || isHalf { return Place(name: nil, path: "", kind: kind) }
        for entry in entries
        where ["", "modules/", "support/"].contains(where: {
            entry.path == "\($0)\(name)"
        }) {
            switch entry.mode {
            case Entry.symbolicLink:
                throw Missing(
                    reason:
                        "has a symbolic link, \(entry.path), in place of \(name); its owner "
                        + "must put the module's directory there")
            case Entry.submodule:
                throw Missing(
                    reason:
                        "has a submodule, \(entry.path), in place of \(name), and crd does not "
                        + "fetch submodules; name the submodule's own repository with -l")
            default: continue
            }
        }
        let reason = "has no module \(name)"
        for directory in ["", "modules/", "support/"].map({ "\($0)\(name)" }) + [""] {
            let advice = advice(onExecutablesOf: name, at: directory)
            if !advice.isEmpty { throw Missing(reason: reason + advice) }
        }
        throw Missing(reason: reason + advice(on: name))
    }

    /// Returns what to do where the executables of a module have other names; empty where they do
    /// not.
    public func advice(onExecutablesOf name: ModuleName, at directory: String) -> String {
        let prefix = directory.isEmpty ? "" : "\(directory)/"
        let files = paths.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        guard !directory.isEmpty || places.isEmpty else { return "" }
        return [Role.check.rawValue, Role.response.rawValue, name.description]
            .map { ExecutableName.advice(for: $0, among: files) }.joined()
    }

    private func advice(on name: ModuleName) -> String {
        let names = Set(places.compactMap { $0.name?.description }).sorted()
        if names.isEmpty {
            return "; a module must be at the root, or in NAME/, modules/NAME/ or support/NAME/"
        }
        let near = Spelling.nearest(to: name.description, among: names)
        let told = near.map { [$0] } ?? Array(names.prefix(Self.namesToldMax))
        let list = told.joined(separator: ", ")
        if near != nil { return "; did you mean \(list)?" }
        return "; it has \(list)\(names.count > told.count ? " and others ('crd search')" : "")"
    }

    private static let namesToldMax = 10

    /// Returns the entries of a module, with paths relative to it.
    public func entries(in place: Place) -> [Entry] {
        guard !place.path.isEmpty else { return entries }
        let prefix = "\(place.path)/"
        return entries.filter { $0.path.hasPrefix(prefix) }.map {
            Entry(
                mode: $0.mode, object: $0.object, size: $0.size,
                path: String($0.path.dropFirst(prefix.count)))
        }
    }

    /// Returns the faults for which nothing must be written to the disk.
    ///
    /// - Returns: sentences, those about one file beginning with its name.
    public static func objections(to entries: [Entry]) -> [String] {
        var objections = entries.compactMap { entry -> String? in
            let name = QuotedText.single(entry.path)
            switch entry.mode {
            case "100644", "100755", "100664", "120000": break
            case "160000":
                return "\(name) is a submodule, which crd does not fetch; put the files themselves "
                    + "in its place"
            default:
                return "\(name) has the mode \(entry.mode); a file must have 100644 or 100755, "
                    + "without set-user-ID and the like"
            }
            if let size = entry.size, size > ModuleLimits.bytesMax {
                return "\(name) has \(size) bytes; a module may have at most "
                    + "\(ByteSize(ModuleLimits.bytesMax)) in all; have 'install' fetch a file of "
                    + "that size"
            }
            return nil
        }
        var names: Set<String> = []
        for entry in entries where !names.insert(entry.path).inserted {
            objections.append(
                "\(QuotedText.single(entry.path)) exists twice, under names that look the same; give "
                    + "one of them another name")
        }
        if entries.count > ModuleLimits.filesMax {
            objections.append(
                "there are \(entries.count) files; a module may have at most "
                    + "\(ModuleLimits.filesMax)")
        }
        let total = entries.map { $0.size ?? 0 }.saturatingSum()
        if total > ModuleLimits.bytesMax && objections.isEmpty {
            objections.append(
                "the files have \(total) bytes in all; a module may have at most "
                    + "\(ByteSize(ModuleLimits.bytesMax))")
        }
        return objections
    }
}
