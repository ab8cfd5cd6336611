// SPDX-License-Identifier: GPL-3.0-or-later

/// An event of a trigger: a hint to check now, with the details that the module may need.
public struct TriggerEvent: Hashable, Sendable {
    /// `.path`, `.journal` or `.signal`.
    public let cause: Cause
    /// The event as one JSON object without a line feed: a line of the `CRD_EVENTS` file.
    public let line: [UInt8]
    /// The variables that describe the newest event of a run: `CRD_PATH`, `CRD_MESSAGE` and so on.
    public let variables: [Variable]
    /// The path events; empty for another cause.
    public let pathEvents: PathEvents
    /// When the daemon read it from the kernel, journald or another of its sources.
    public internal(set) var readAt: Instant
    /// How long before `readAt` it happened.
    public var age: Duration
    /// How many events came before it that nobody has kept.
    public var dropped = 0
    /// Whether it is known that no process of the module caused it.
    public var isForeign: Bool

    /// A variable's value is bytes, since a path need not be UTF-8.
    public struct Variable: Hashable, Sendable {
        public let name: String
        public let value: [UInt8]

        public init(name: String, value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    public init(
        cause: Cause, line: [UInt8], variables: [Variable] = [], pathEvents: PathEvents = [],
        readAt: Instant, age: Duration = .zero, isForeign: Bool = false
    ) {
        self.readAt = readAt
        self.age = age
        self.isForeign = isForeign
        self.cause = cause
        self.pathEvents = pathEvents
        self.line = line
        self.variables = variables
    }
}
