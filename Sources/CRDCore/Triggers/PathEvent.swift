// SPDX-License-Identifier: GPL-3.0-or-later

/// A change of a path, as it is passed to a module.
public struct PathEvent: Hashable, Sendable {
    /// Bytes, since a name need not be UTF-8.
    public var path: [UInt8]
    public var events: PathEvents
    public var isDirectory = false
    /// The former path, if it was moved and the move was observed.
    public var from: [UInt8]?
    /// Whether the kernel's queue overflowed, so that anything may have happened.
    public var isOverflow = false

    public init(path: [UInt8], _ events: PathEvents, isDirectory: Bool = false) {
        self.path = path
        self.events = events
        self.isDirectory = isDirectory
    }

    /// Returns the event in the form that is passed to the module.
    ///
    /// - Parameter time: RFC 3339, in UTC.
    public func triggerEvent(at time: String, readAt: Instant) -> TriggerEvent {
        var object = JSONObject()
        object.add("trigger", "path")
        object.add("time", time)
        object.add("path", text: path)
        object.add("events", events.names)
        object.add("directory", isDirectory)
        if let from { object.add("from", text: from) }
        if isOverflow { object.add("overflow", true) }
        return TriggerEvent(
            cause: .path, line: object.encoded(),
            variables: [TriggerEvent.Variable(name: "CRD_PATH", value: path)],
            pathEvents: events, readAt: readAt)
    }
}
