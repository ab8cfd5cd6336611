// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// The system's git in an isolated environment: without configuration, hooks, questions, helpers
/// and submodules (git(1), git-config(1)).
struct Git {
    /// The directory of the repository that it fetches into, and of git's temporary files.
    let directory: FilePath
    private let console: InstallationConsole
    private let program: String
    private let variables: [String: String]

    private static let fetchTimeout = Duration.seconds(600)
    /// The limit for commands that do not use the network.
    private static let timeout = Duration.seconds(300)
    /// The maximum size of a pack, which is one file, in bytes.
    private static let fetchSizeMax: UInt64 = 512 << 20
    static let fetchSizeText = "\(ByteSize(Int(fetchSizeMax)))"
    /// How much memory each process of git may have, in bytes: a server can name branches without end.
    private static let memoryMax: UInt64 = 1 << 30
    static let memoryText = "\(ByteSize(Int(memoryMax)))"
    private static let listingMax = 32 << 20

    /// Finds the system's git; does not run it yet.
    ///
    /// - Parameter runID: the id by which a later crd finds the processes of a killed one.
    init(
        in directory: FilePath, runID: String, console: InstallationConsole
    ) throws(InstallationFailure) {
        guard let program = CommonEnvironment.program("git") else {
            throw InstallationFailure("git was not found; install it (on Debian: apt install git)")
        }
        self.program = program
        self.directory = directory
        self.console = console
        variables = Self.variables(in: directory, runID)
    }

    private var repository: FilePath { directory.appending("git") }

    /// Refuses other users' repositories, since a repository's owner can make git execute commands;
    /// git does the same, but not through symbolic links.
    private func refuseForeign(_ location: RepositoryLocation) throws(InstallationFailure) {
        let scheme = "file://"
        let text =
            location.url.hasPrefix(scheme)
            ? Self.percentDecoded(location.url.dropFirst(scheme.count)) : location.url
        let path = FilePath(text)
        guard path.isAbsolute else { return }
        // What git tries in turn where a path leads to no repository.
        let suffixed = FilePath("\(path).git")
        for place in [path, path.appending(".git"), suffixed, suffixed.appending(".git")] {
            guard let owner = FileStatus(of: place)?.owner, owner != geteuid() else { continue }
            let name = UserAccount.with(uid: owner)?.name
            let program =
                geteuid() != 0
                ? "sudo -u '\(name ?? "#\(owner)")'"
                : name.map { "runuser -u '\($0)' --" }
                    ?? "setpriv --reuid=\(owner) --clear-groups"
            throw InstallationFailure(
                "\(place) belongs to \(name ?? "uid \(owner)"), and git refuses other users' "
                    + "repositories; bundle it, as its owner, into a file of your own, and name "
                    + "that with -l: "
                    + "\(program) git -C '\(path)' bundle create - --all >modules.bundle")
        }
    }

    /// Decodes the path of a URL as git does: `%` and two hexadecimal digits are a byte.
    private static func percentDecoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            if byte == UInt8(ascii: "%"), digits.utf8.count == 2,
                let decoded = UInt8(digits, radix: 16)
            {
                bytes.append(decoded)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Operations

    /// Fetches one commit, without its history, into a new repository.
    ///
    /// - Returns: the commit's name.
    func fetch(
        _ location: RepositoryLocation, _ ref: GitReference
    ) throws(InstallationFailure) -> String {
        if let objection = location.secretObjection {
            throw InstallationFailure("\(location) \(objection)")
        }
        try refuseForeign(location)
        do throws(SystemCallError) {
            try Directory.makeNew(directory, mode: 0o700)
        } catch {
            throw InstallationFailure("\(error)")
        }
        try run(["init", "--quiet", "--bare", "--template=", repository.string], location)
        try write(
            "* -text -eol -ident -filter -working-tree-encoding -export-subst\n",
            to: "info", "attributes")
        let progress = console.showsProgress ? ["--progress"] : ["--quiet"]
        try run(
            ["fetch"] + progress + [
                "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance",
                "--end-of-options", location.publicURL, "+\(ref):refs/crd/fetched",
            ], location, ref, isFetch: true)
        let commit = try run(["rev-parse", "--verify", "refs/crd/fetched^{commit}"], location, ref)
        return String(decoding: commit, as: UTF8.self).filter { $0 != "\n" }
    }

    /// Returns when the commit was made, in seconds since 1970: the committer's date, which a
    /// signature covers.
    func time(
        of commit: String, _ location: RepositoryLocation
    ) throws(InstallationFailure) -> Int64 {
        let text = try run(
            ["log", "-1", "--no-show-signature", "--format=%ct", commit], location)
        let number = String(decoding: text, as: UTF8.self).filter { $0 != "\n" }
        guard let time = Int64(number) else {
            throw InstallationFailure(
                "the commit \(commit) in \(location) has no valid date; none of it was used")
        }
        return time
    }

    /// Lists all files of the commit.
    func tree(
        of commit: String, _ location: RepositoryLocation
    ) throws(InstallationFailure) -> RepositoryTree {
        let listing = try run(["ls-tree", "-r", "-z", "-l", "--full-tree", commit], location)
        do throws(RepositoryTree.Malformed) {
            return try RepositoryTree(parsing: listing)
        } catch {
            throw InstallationFailure("\(location) \(error.reason); none of it was used")
        }
    }

    /// Returns a file's content, up to a limit in bytes.
    func content(
        of object: String, _ location: RepositoryLocation, limit: Int
    ) throws(InstallationFailure) -> [UInt8] {
        try run(["cat-file", "blob", object], location, limit: limit)
    }

    /// Writes the files below a path of the commit into an existing empty directory
    /// (git-read-tree(1), git-checkout-index(1)).
    func checkOut(
        _ path: String, of commit: String, into target: FilePath, _ location: RepositoryLocation
    ) throws(InstallationFailure) {
        let tree = path.isEmpty ? "\(commit)^{tree}" : "\(commit):\(path)"
        try run(["read-tree", tree], location)
        try run(
            ["--work-tree=\(target)", "checkout-index", "--all", "--quiet"], location,
            in: target)
    }

    /// Returns the commit's description for people.
    func description(
        of commit: String, _ location: RepositoryLocation
    ) throws(InstallationFailure) -> [String] {
        let shown = try run(
            [
                "log", "-1", "--no-show-signature",
                "--format=commit %H%nauthor %an <%ae>%ndate   %aI%n%s", commit,
            ],
            location)
        return String(decoding: shown, as: UTF8.self).split(separator: "\n")
            .map { PrintableText.of(String($0)) }
    }

    // MARK: Calls

    private func write(
        _ text: String, to directory: FilePath.Component, _ name: FilePath.Component
    ) throws(InstallationFailure) {
        let folder = repository.appending(directory)
        do throws(SystemCallError) {
            try Directory.make(folder, mode: 0o700)
            let file = try Descriptor.open(
                folder.appending(name), O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            try file.writeAll(Array(text.utf8))
        } catch {
            throw InstallationFailure("\(error)")
        }
    }

    /// Runs git and returns its standard output.
    ///
    /// - Parameter isFetch: whether it uses the network, so that its output is bounded.
    @discardableResult
    func run(
        _ arguments: [String], _ location: RepositoryLocation, _ ref: GitReference = .head,
        isFetch: Bool = false, in workTree: FilePath? = nil, limit: Int = listingMax
    ) throws(InstallationFailure) -> [UInt8] {
        let isInit = arguments.first == "init"
        let program = ForegroundProgram(
            path: program,
            arguments: (isInit ? [] : ["--git-dir=\(repository)"]) + arguments,
            environment: environment(for: isFetch ? location.credentials : nil),
            directory: (workTree ?? directory).string,
            timeout: isFetch ? Self.fetchTimeout : Self.timeout, grace: .seconds(2),
            fileSizeMax: isFetch ? Self.fetchSizeMax : nil, memoryMax: Self.memoryMax)
        let output = CaptureSink(limit: limit)
        let end = OutputTail()
        let errors = GitProgressSink(
            to: isFetch && console.showsProgress ? console.errors : nil, keeping: end)
        let ending: ForegroundProgram.Ending
        do {
            ending = try program.run(
                output: output, errors: errors, interruption: console.interruption,
                isEnough: { output.dropped > 0 })
        } catch {
            throw InstallationFailure("\(error)")
        }
        switch ending {
        case .cut,
            .ended where output.dropped > 0:
            throw InstallationFailure(
                "\(location) has more than \(RepositoryTree.entriesMax) files, or a file larger "
                    + "than crd reads here")
        case .ended(.exited(0)): return output.bytes
        case .ended where isFetch && reachesLimit:
            throw InstallationFailure(
                "\(location) is larger than the \(Self.fetchSizeText) that crd fetches at most")
        case .ended(let termination):
            throw InstallationFailure(
                GitComplaint.sentence(end.lines, location, ref, ended: termination))
        case .interrupted: throw InstallationFailure("interrupted")
        case .timedOut(let timeout) where !isFetch:
            throw InstallationFailure(
                "git \(arguments[0]) took longer than \(TimeSpan(timeout)) and was ended; is the disk "
                    + "faulty?")
        case .timedOut(let timeout):
            throw InstallationFailure(
                "git did not finish fetching \(location) within \(TimeSpan(timeout)) and was ended; check "
                    + "the network, or clone it to this machine first, and name the path of the "
                    + "clone with -l")
        }
    }

    /// Whether a pack has reached the maximum size.
    private var reachesLimit: Bool {
        let files = (try? FileTree.entries(of: repository.appending("objects"))) ?? []
        return files.contains { $0.status.size >= Int64(Self.fetchSizeMax) }
    }

    /// The variables of our environment that git inherits: only those for the network and the ssh
    /// agent.
    private static let inherited = [
        "http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy",
        "ALL_PROXY", "SSH_AUTH_SOCK",
    ]

    /// Variables that name other certificates than the machine's: git's own, and the well-known
    /// ones of OpenSSL. A git that was built with another library ignores the latter.
    private static let certificates = [
        (names: ["GIT_SSL_CAINFO", "SSL_CERT_FILE"], others: ["SSL_CERT_FILE"]),
        (names: ["GIT_SSL_CAPATH", "SSL_CERT_DIR"], others: ["SSL_CERT_DIR"]),
    ]

    /// Makes a path absolute, since git has another working directory.
    private static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let directory = getcwd(nil, 0) else { return path }
        defer { free(directory) }
        return "\(String(cString: directory))/\(path)"
    }

    private static let settings = [
        "core.hooksPath": "/dev/null", "core.fsmonitor": "false", "core.autocrlf": "false",
        "core.symlinks": "true", "core.fileMode": "true", "core.protectHFS": "true",
        "core.protectNTFS": "true", "core.attributesFile": "/dev/null",
        "credential.helper": "", "submodule.recurse": "false", "fetch.recurseSubmodules": "false",
        "fetch.fsckObjects": "true", "transfer.fsckObjects": "true",
        // A mere warning by default; covers set-user-ID and the like, which git drops on checkout.
        "fetch.fsck.badFilemode": "error",
        // Keeps the pack in one file, so that the file size limit bounds it.
        "fetch.unpackLimit": "1", "gc.auto": "0", "maintenance.auto": "false",
        "protocol.version": "2", "advice.detachedHead": "false", "log.showSignature": "false",
        "http.lowSpeedLimit": "1000", "http.lowSpeedTime": "60",
    ]

    /// Answers git's question for a name and a password (gitcredentials(7)) from variables that
    /// only this user can read. printf is a shell builtin, so no process has the values as
    /// arguments.
    private static let credentialHelper =
        "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' "
        + "\"$CRD_GIT_USER\" \"$CRD_GIT_PASSWORD\"; }; f"

    /// Returns git's environment.
    ///
    /// - Parameter credentials: used for their own origin only, whatever it redirects to.
    private func environment(for credentials: RepositoryLocation.Credentials?) -> CStringBlock {
        var variables = variables
        // The order matters: an empty helper clears the helpers before it.
        var settings = Self.settings.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        if let credentials {
            settings.append(("credential.\(credentials.origin).helper", Self.credentialHelper))
            variables["CRD_GIT_USER"] = credentials.user
            variables["CRD_GIT_PASSWORD"] = credentials.password
        }
        for (index, (key, value)) in settings.enumerated() {
            variables["GIT_CONFIG_KEY_\(index)"] = key
            variables["GIT_CONFIG_VALUE_\(index)"] = value
        }
        variables["GIT_CONFIG_COUNT"] = "\(settings.count)"
        var block = CStringBlock()
        for (name, value) in variables.sorted(by: { $0.key < $1.key }) { block.append(name, value) }
        return block
    }

    private static func variables(in directory: FilePath, _ runID: String) -> [String: String] {
        var variables = [
            "PATH": CommonEnvironment.path, "LC_ALL": "C.UTF-8", "LANGUAGE": "",
            "HOME": directory.string, "TMPDIR": directory.string, "XDG_CONFIG_HOME": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "",
            "SSH_ASKPASS": "", "SSH_ASKPASS_REQUIRE": "never",
            "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=30",
            "GIT_ALLOW_PROTOCOL": RepositoryLocation.protocols.joined(separator: ":"),
            "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1", "GIT_PAGER": "cat",
            "CRD_RUN": runID,
        ]
        for name in inherited {
            if let value = getenv(name) { variables[name] = String(cString: value) }
        }
        for certificate in certificates {
            let value = certificate.names.lazy.compactMap { getenv($0) }.map { String(cString: $0) }
                .first { !$0.isEmpty }
            guard let value else { continue }
            for name in [certificate.names[0]] + certificate.others {
                variables[name] = absolute(value)
            }
        }
        return variables
    }
}
