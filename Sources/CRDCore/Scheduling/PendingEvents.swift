// SPDX-License-Identifier: GPL-3.0-or-later

import DequeModule

/// The events that wait for a module's next run, or that a run was started for: the newest ones,
/// and how many more there were.
public struct PendingEvents: Sendable {
    /// How many events are kept.
    public static let countMax = 1_024
    /// How many bytes of JSON Lines are kept, line feeds counted.
    public static let sizeMax = 1 << 20

    /// Oldest first.
    public private(set) var lines = Deque<[UInt8]>()
    /// How many events were dropped from `lines`, because there was no room.
    public private(set) var dropped = 0
    /// The newest event's variables, whether or not its line found room.
    public private(set) var variables: [TriggerEvent.Variable] = []
    /// The newest event's cause; nil when nothing is pending.
    public private(set) var cause: Cause?
    /// Whether any event came from elsewhere than the module's own runs.
    public private(set) var isAnyFromElsewhere = false

    private var size = 0

    public init() {}

    public var isEmpty: Bool { cause == nil }

    /// The `CRD_EVENTS` file: JSON Lines.
    public var text: [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(size)
        for line in lines {
            text += line
            text.append(UInt8(ascii: "\n"))
        }
        return text
    }

    /// Whether events are pending, and the module's own runs seem to have caused all of them.
    var areEchoes: Bool { !isEmpty && !isAnyFromElsewhere }

    public mutating func append(_ event: TriggerEvent, isEcho: Bool = false) {
        if !isEcho { isAnyFromElsewhere = true }
        cause = event.cause
        variables = event.variables
        if event.dropped > 0 {
            // What is kept is the newest, without a gap.
            dropLines()
            dropped += event.dropped
        }
        add(event.line)
    }

    /// Puts back the events of a run that never started, as the older part.
    mutating func restore(_ older: PendingEvents) {
        guard !older.isEmpty else { return }
        var restored = older
        // The newest are kept: if one of ours found no room, none of the older ones has any.
        if dropped > 0 { restored.dropLines() }
        restored.dropped += dropped
        for line in lines { restored.add(line) }
        if isAnyFromElsewhere { restored.isAnyFromElsewhere = true }
        if let cause {
            restored.cause = cause
            restored.variables = variables
        }
        self = restored
    }

    mutating func take() -> PendingEvents {
        defer { self = PendingEvents() }
        return self
    }

    private mutating func dropLines() {
        dropped += lines.count
        lines = []
        size = 0
    }

    private mutating func add(_ line: [UInt8]) {
        lines.append(line)
        size += line.count + 1
        while lines.count > Self.countMax || size > Self.sizeMax {
            size -= lines.removeFirst().count + 1
            dropped += 1
        }
    }
}
