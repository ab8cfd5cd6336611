// SPDX-License-Identifier: GPL-3.0-or-later

/// The settings of `crd.conf`, or their defaults where it sets none.
public struct Configuration: Equatable, Sendable {
    /// How often every module is checked, with or without triggers.
    public var interval: Duration = .seconds(30)
    public var modules = "/opt/CRD/modules"
    public var support = "/opt/CRD/support"
    public var state = "/var/lib/crd"
    /// The directory of the socket.
    public var runtime = "/run/crd"
    /// How many runs may be under way at once. Nil: as many as there are processors, at least 4.
    public var slots: Int?
    /// The longest time that a check or a response may take.
    public var timeout: Duration = .seconds(60)
    /// The time from SIGTERM to SIGKILL.
    public var grace: Duration = .seconds(5)
    /// How many bytes of a check's output are kept for its response. Zero is allowed.
    public var outputMax = 1 << 20

    /// How new journal entries are noticed.
    public var journalWake = JournalWake.auto
    /// How old an entry may be, after a restart, to be still matched.
    public var catchUp: Duration = .seconds(3_600)
    /// Whether new, changed and removed modules are noticed without `crd reload`.
    public var autoReload = true
    /// The repository that modules are installed from by default.
    public var repository: RepositoryLocation?
    /// An OpenSSH allowed-signers file (ssh-keygen(1)). If it is set, only modules signed by its
    /// keys are installed.
    public var allowedSigners: String?

    public init() {}

    /// Returns the configuration and all its faults; a faulty value leaves the default in place.
    public static func decode(
        _ root: TOMLTable, file: String
    ) -> (Configuration, [Diagnostic]) {
        var configuration = Configuration()
        var decoder = TOMLDecoder(root, file: file)
        decoder.read("interval", .span(.shortest ... .longest), into: &configuration.interval)
        decoder.read("modules", .absolutePath(lengthMax: pathMax), into: &configuration.modules)
        decoder.read("support", .absolutePath(lengthMax: pathMax), into: &configuration.support)
        decoder.read("state", .absolutePath(lengthMax: pathMax), into: &configuration.state)
        decoder.read("runtime", .absolutePath(lengthMax: runtimeMax), into: &configuration.runtime)
        decoder.read("slots", .integer(in: 1...1024), into: &configuration.slots)
        decoder.read("timeout", .span(.shortest ... .longest), into: &configuration.timeout)
        decoder.read("grace", .span(.shortest ... .longest), into: &configuration.grace)
        decoder.read("output-max", .size(upTo: outputMaxMax), into: &configuration.outputMax)
        decoder.read("journal-wake", .journalWake, into: &configuration.journalWake)
        decoder.read("catch-up", .span(.zero ... .longest), into: &configuration.catchUp)
        decoder.read("auto-reload", .boolean, into: &configuration.autoReload)
        decoder.read("repository", .repository, into: &configuration.repository)
        decoder.read(
            "allowed-signers", .absolutePath(lengthMax: pathMax),
            into: &configuration.allowedSigners)
        return (configuration, decoder.diagnostics())
    }

    /// Leaves room below PATH_MAX (4,096 with the NUL) for the names that the daemon appends.
    private static let pathMax = 3072
    /// `sun_path` of a Unix socket holds 107 bytes and a NUL (unix(7)).
    private static let runtimeMax = 107 - "/crd.sock".utf8.count
    private static let outputMaxMax = ByteSize(1 << 30)
}
