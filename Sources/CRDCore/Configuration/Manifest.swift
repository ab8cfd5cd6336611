// SPDX-License-Identifier: GPL-3.0-or-later

/// The settings of a module's `module.toml`, or their defaults where it sets none.
public struct Manifest: Equatable, Sendable {
    public enum Interval: Equatable, Sendable {
        /// The interval of `crd.conf`.
        case inherited
        case every(Duration)
        /// Only triggers cause checks.
        case off
    }

    public enum Cooldown: Equatable, Sendable {
        /// In proportion to the duration of the last check.
        case auto
        case fixed(Duration)
    }

    /// How many responses may begin within which time.
    public struct Limit: Equatable, Sendable {
        public var count: Int
        public var window: Duration

        public init(count: Int, window: Duration) {
            self.count = count
            self.window = window
        }
    }

    /// What happens to processes that a response leaves behind.
    public enum Leftovers: Equatable, Sendable {
        case kill
        case keep
    }

    public struct RoleSettings: Equatable, Sendable {
        /// Nil: the timeout of `crd.conf`.
        public var timeout: Duration?
        /// Nil: the daemon's own user.
        public var user: String?

        public init(timeout: Duration? = nil, user: String? = nil) {
            self.timeout = timeout
            self.user = user
        }
    }

    public var description: String?
    public var interval: Interval = .inherited
    /// How long triggers must have stopped before a triggered run.
    public var settle: Duration = .zero
    public var cooldown: Cooldown = .auto
    /// Nil: no limit.
    public var limit: Limit? = Limit(count: 30, window: .seconds(60))
    /// The exit codes of the check that mean "the condition holds".
    public var condition: Set<UInt8> = [0]
    /// The exit codes of the check that mean "it does not".
    public var clear: Set<UInt8> = [1]
    public var environment: [String: String] = [:]
    public var leftovers: Leftovers = .kill
    /// The support modules that the module cannot work without.
    public var requires: [ModuleName] = []
    /// The longest time that `install` or `rollback` may take. Nil: the timeout for all roles, or
    /// else crd.conf's.
    public var installTimeout: Duration?
    public var enabled = true
    public var paths: [PathTrigger] = []
    public var journal: [JournalTrigger] = []
    /// Without duplicates.
    public var signals: [TriggerSignal] = []
    /// An entry for every role; settings for all roles are included already.
    public var roles: [Role: RoleSettings] = settingsForAll(RoleSettings())

    public init() {}

    /// Returns the manifest and all its faults and warnings; a faulty value leaves the default in
    /// place.
    ///
    /// - Parameter compile: compiles a pattern to find its groups.
    public static func decode(
        _ root: TOMLTable, file: String, compile: PatternOutline.Compiler
    ) -> (Manifest, [Diagnostic]) {
        var manifest = Manifest()
        var decoder = TOMLDecoder(root, file: file)
        decoder.read("description", .line, into: &manifest.description)
        decoder.read("interval", .interval, into: &manifest.interval)
        decoder.read("settle", .span(.zero ... .seconds(86_400)), into: &manifest.settle)
        decoder.read("cooldown", .cooldown, into: &manifest.cooldown)
        decoder.read("limit", .limit, into: &manifest.limit)
        decoder.read("condition", .exitCodes.nonEmpty(), into: &manifest.condition)
        decoder.read("clear", .exitCodes, into: &manifest.clear)
        decoder.read("environment", .environment, into: &manifest.environment)
        decoder.read("leftovers", .word(["kill": .kill, "keep": .keep]), into: &manifest.leftovers)
        decoder.read("requires", .moduleNames, into: &manifest.requires)
        decoder.read("enabled", .boolean, into: &manifest.enabled)

        // First the settings for all roles, then those of each role.
        var common = RoleSettings()
        common.read(from: &decoder)
        manifest.roles = settingsForAll(common)
        for role in Role.allCases {
            decoder.readTable(role.rawValue) {
                manifest.roles[role, default: common].read(from: &$0)
            }
        }

        decoder.readTable("install") {
            $0.read("timeout", .span(.shortest ... .longest), into: &manifest.installTimeout)
        }
        manifest.installTimeout = manifest.installTimeout ?? common.timeout

        var watchesMax = 0
        decoder.read("watches-max", .integer(in: 0...1 << 30), into: &watchesMax)
        decoder.readTable("trigger") {
            $0.readTables("path") {
                guard var trigger = PathTrigger(from: &$0) else { return }
                trigger.watchesMax = watchesMax == 0 ? nil : watchesMax
                manifest.paths.append(trigger)
            }
            $0.readTables("signal") {
                if let signal = $0.require("signal", .signal), !manifest.signals.contains(signal) {
                    manifest.signals.append(signal)
                }
            }
            var room = JournalTrigger.Room()
            $0.readTables("journal") {
                if let trigger = JournalTrigger(from: &$0, compile, &room) {
                    manifest.journal.append(trigger)
                }
            }
        }

        manifest.separateExitCodes(&decoder)
        return (manifest, decoder.diagnostics())
    }

    /// Complains about an exit code that means both that the condition holds and that it does not.
    /// Both keys then get their defaults, since it is unknown which of them is wrong.
    private mutating func separateExitCodes(_ decoder: inout TOMLDecoder) {
        let common = condition.intersection(clear).sorted()
        let (conditionAt, clearAt) = (
            decoder.position(of: "condition"), decoder.position(of: "clear")
        )
        guard !common.isEmpty, let position = [conditionAt, clearAt].compactMap(\.self).max() else {
            return
        }
        let codes = common.map(String.init).joined(separator: ", ")
        let fault =
            conditionAt == nil
            ? "'clear' has \(codes), which 'condition' has by default"
            : clearAt == nil
                ? "'condition' has \(codes), which 'clear' has by default"
                : "'condition' and 'clear' both have \(codes)"
        decoder.complain("\(fault); set both, without an exit code in common", at: position)
        (condition, clear) = (Manifest().condition, Manifest().clear)
    }

    private static func settingsForAll(_ settings: RoleSettings) -> [Role: RoleSettings] {
        Dictionary(uniqueKeysWithValues: Role.allCases.map { ($0, settings) })
    }
}

extension PathTrigger {
    /// Nil where the path to watch is missing or wrong.
    fileprivate init?(from decoder: inout TOMLDecoder) {
        let path = decoder.require("path", .absolutePath(lengthMax: Self.pathMax))
        self.init(path: path ?? "")
        decoder.read("events", .pathEvents, into: &events)
        decoder.read("recursive", .boolean, into: &isRecursive)
        decoder.read("include", .globs, into: &include)
        decoder.read("exclude", .globs, into: &exclude)
        if path == nil { return nil }
    }

    /// PATH_MAX of limits.h, which counts the NUL byte.
    private static let pathMax = 4_095
}

extension JournalTrigger {
    /// Nil where the trigger has any fault, so that it is unknown what to match.
    ///
    /// - Parameter room: what the manifest's further journal triggers may take.
    fileprivate init?(
        from decoder: inout TOMLDecoder, _ compile: PatternOutline.Compiler, _ room: inout Room
    ) {
        self.init()
        let faults = decoder.faultCount
        decoder.read("match", .journalMatches, into: &match)
        decoder.read("unit", .units, into: &units)
        readMatch("identifier", .identifiers, of: "SYSLOG_IDENTIFIER", &decoder)
        readMatch("priority", .priorities, of: "PRIORITY", &decoder)
        decoder.read("field", .journalField, into: &field)
        decoder.read(
            "pattern", .text("a pattern", objection: Self.objection), into: &pattern)
        if match.isEmpty && units == nil && pattern == nil && decoder.faultCount == faults {
            decoder.complainOfLack(
                "a journal trigger needs 'match', 'unit', 'identifier', 'priority' or 'pattern', "
                    + "otherwise every entry would match")
        }
        if pattern == nil, let position = decoder.position(of: "field") {
            decoder.complainOfLack(
                "'trigger.journal.field' says what a pattern is matched against, but there is no "
                    + "'pattern'; add it, or use 'match'", at: position)
        }
        let captures = readCaptures(&decoder, compile, &room)
        readCounting(&decoder, captures, &room)
        if decoder.faultCount > faults { return nil }
    }

    /// What the journal triggers of one manifest may take, whose author may be a stranger.
    fileprivate struct Room {
        static let entriesMax = 10_000

        /// The size of the compiled patterns in bytes.
        var patterns = PatternOutline.sizeMax
        /// How many entries are counted until all counts are full.
        var entries = entriesMax
    }

    private static func objection(to pattern: String) -> String? {
        if pattern.isEmpty { return "is empty" }
        guard pattern.unicodeScalars.contains("\u{8}") else { return nil }
        return
            "has a backspace, which is what \"\\b\" means in double quotes; write the pattern in "
            + "single quotes, where \\b is the edge of a word"
    }

    /// Reads a key that is short for a match of a field.
    private mutating func readMatch(
        _ key: String, _ format: TOMLFormat<[String]>, of field: String,
        _ decoder: inout TOMLDecoder
    ) {
        var values: [String]?
        decoder.read(key, format, into: &values)
        if let values { match.append(Match(field: field, values: values)) }
    }

    /// Returns the names of the pattern's groups.
    private func readCaptures(
        _ decoder: inout TOMLDecoder, _ compile: PatternOutline.Compiler, _ room: inout Room
    ) -> [String] {
        guard let pattern, let position = decoder.position(of: "pattern") else { return [] }
        do throws(PatternOutline.Malformed) {
            let outline = room.patterns > 0 ? try compile(pattern) : nil
            room.patterns -= outline?.size ?? 0
            guard let outline, room.patterns >= 0 else {
                decoder.complain(
                    "'trigger.journal.pattern': the module's patterns up to this one take more than "
                        + "\(PatternOutline.sizeMax >> 10) KiB when compiled; shorten them, or "
                        + "divide them among several modules", at: position)
                return []
            }
            guard outline.captures.count <= PatternOutline.capturesMax else {
                decoder.complain(
                    "'trigger.journal.pattern': has \(outline.captures.count) named groups; at most "
                        + "\(PatternOutline.capturesMax) are allowed: leave those without a name "
                        + "that no module reads", at: position)
                return []
            }
            if let warning = PatternAdvice.warning(about: pattern) {
                decoder.warn("'trigger.journal.pattern': \(warning)", at: position)
            }
            return outline.captures
        } catch {
            decoder.complain(
                "'trigger.journal.pattern': \(QuotedText.double(pattern)) does not compile at "
                    + "offset \(error.offset): \(error.reason); fix it (pcre2pattern(3))",
                at: position)
            return []
        }
    }

    private mutating func readCounting(
        _ decoder: inout TOMLDecoder, _ captures: [String], _ room: inout Room
    ) {
        var count: Int?
        var window: Duration?
        var key: Key?
        decoder.read("count", .integer(in: 1...Self.countMax), into: &count)
        decoder.read("within", .span(.shortest ... .seconds(604_800)), into: &window)
        decoder.read("by", .journalKey(captures), into: &key)
        room.entries -= count ?? 0
        if room.entries < 0, let position = decoder.position(of: "count") {
            decoder.complain(
                "'trigger.journal.count': the counts of the module's triggers up to this one add up to "
                    + "more than \(Room.entriesMax); lower them, or divide the triggers among "
                    + "several modules", at: position)
        }
        if let count, let window {
            counting = Counting(count: count, within: window, by: key)
        } else if let position = decoder.position(of: "count"),
            decoder.position(of: "within") == nil
        {
            decoder.complainOfLack(
                "'trigger.journal.count' needs 'within', the time within which that many entries "
                    + "count as one event, such as \"60s\"", at: position)
        } else if let lonely = ["within", "by"].first(where: { decoder.position(of: $0) != nil }),
            decoder.position(of: "count") == nil, let position = decoder.position(of: lonely)
        {
            decoder.complainOfLack(
                "'trigger.journal.\(lonely)' needs 'count', how many entries are one event",
                at: position)
        }
    }

    /// The limit of entries that are remembered for each key.
    private static let countMax = 1_000
}

extension Manifest.RoleSettings {
    fileprivate mutating func read(from decoder: inout TOMLDecoder) {
        decoder.read("timeout", .span(.shortest ... .longest), into: &timeout)
        decoder.read("user", .user, into: &user)
    }
}
