// SPDX-License-Identifier: GPL-3.0-or-later

/// `org.crd.Reactor`, the interface of the daemon's socket, as Codable values.
public enum ControlInterface {
    public static let name = "org.crd.Reactor"

    /// The interface in Varlink's own language, as introspection returns it.
    public static let definition = """
        # The Condition/Response Daemon and its modules.
        interface org.crd.Reactor

        # containment: how a run's processes are found, "cgroup" or "subreaper".
        # overflows: how often the kernel's queue of path events was full.
        # journalWake: how new journal entries are noticed: "doorbell", "notify" or "every 20ms";
        # absent if no module has a journal trigger.
        # patternsExceeded: how many lines counted as matches because a pattern took too long on
        # them, was suspended for that, or was applied only to their first 64 KiB.
        # complaints: the errors in crd.conf. Its former content is active.
        type Daemon (
          pid: int,
          version: string,
          configuration: string,
          slots: int,
          running: int,
          containment: string,
          started: string,
          overflows: int,
          journalWake: ?string,
          patternsExceeded: int,
          complaints: []string
        )

        # trigger: start, interval, path, journal, signal, request or verify.
        # check, response: "exit code 0", "signal 9", "timeout", or why it could not start.
        # checkSeconds: the duration of the check. ended: RFC 3339, UTC.
        type Run (
          trigger: string,
          check: string,
          checkSeconds: float,
          response: ?string,
          ended: string
        )

        # state: idle, settling, cooling, queued, checking, responding, paused, failed, disabled,
        # stuck, degraded (a trigger cannot be watched) or "waiting for PATH" (idle, and the path
        # does not exist yet); of a support module: installed or failed; without a daemon: stopped.
        # reason: the error and its remedy. next: when the interval ends.
        # pending: the number of events that wait for the next run.
        type Module (
          name: string,
          kind: string,
          state: string,
          reason: ?string,
          description: ?string,
          next: ?string,
          pending: int,
          runs: int,
          responses: int,
          last: ?Run
        )

        # Lists all modules, sorted by name.
        method List() -> (daemon: ?Daemon, modules: []Module)

        # Reads crd.conf and all modules again; replies when the changes are active. The lists
        # contain module names; unready: incomplete, and read again a second later.
        # configurationChanged: crd.conf has a different meaning than before.
        method Reload() -> (
          added: []string,
          changed: []string,
          removed: []string,
          unready: []string,
          configurationChanged: bool
        )

        # The caller is neither root nor the daemon's user; for reading, members of the group crd
        # are permitted, too.
        error PermissionDenied ()

        # These files have errors (file:line:column: message). Their former content stays active;
        # all other changes are active.
        error ReloadRefused (complaints: []string)

        # The daemon is stopping.
        error Stopping ()

        """

    public struct Daemon: Codable, Sendable {
        public var pid: Int
        public var version: String
        public var configuration: String
        public var slots: Int
        public var running: Int
        public var containment: String
        public var started: String
        public var overflows = 0
        public var journalWake: String?
        public var patternsExceeded = 0
        public var complaints: [String] = []
    }

    public struct Run: Codable, Sendable {
        public var trigger: String
        public var check: String
        public var checkSeconds: Double
        public var response: String?
        public var ended: String
    }

    public struct Module: Codable, Sendable {
        public var name: String
        public var kind: String
        public var state: String
        public var reason: String?
        public var description: String?
        public var next: String?
        public var pending = 0
        public var runs = 0
        public var responses = 0
        public var last: Run?
    }

    /// The result of `Reload`.
    public struct Reloaded: Codable, Sendable {
        public var added: [String] = []
        public var changed: [String] = []
        public var removed: [String] = []
        public var unready: [String] = []
        public var configurationChanged = false
    }

    /// The parameters of `ReloadRefused`.
    public struct ReloadRefused: Codable, Sendable {
        public var complaints: [String]
    }

    /// The result of `List`.
    public struct Listing: Codable, Sendable {
        /// Nil if no daemon runs and the modules were read from disk.
        public var daemon: Daemon?
        public var modules: [Module]

        public init(daemon: Daemon?, modules: [Module]) {
            self.daemon = daemon
            self.modules = modules
        }

        /// Encodes a missing daemon as `null`; the default implementation would omit the key.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(daemon, forKey: .daemon)
            try container.encode(modules, forKey: .modules)
        }

        private enum CodingKeys: CodingKey { case daemon, modules }
    }
}
