// SPDX-License-Identifier: GPL-3.0-or-later

/// A received signal, as it is passed to a module.
public struct SignalEvent: Hashable, Sendable {
    public let signal: TriggerSignal
    /// The sender's process and user.
    public let pid: Int32
    public let uid: UInt32
    /// The value sent by sigqueue(3).
    public let value: Int32?

    public init(_ signal: TriggerSignal, pid: Int32, uid: UInt32, value: Int32?) {
        self.signal = signal
        self.pid = pid
        self.uid = uid
        self.value = value
    }

    /// Returns the event in the form that is passed to the module.
    ///
    /// - Parameter time: RFC 3339, in UTC.
    public func triggerEvent(at time: String, readAt: Instant) -> TriggerEvent {
        let name = signal.description
        var object = JSONObject()
        object.add("trigger", "signal")
        object.add("time", time)
        object.add("signal", name)
        object.add("pid", Int(pid))
        object.add("uid", Int(uid))
        if let value { object.add("value", Int(value)) }
        return TriggerEvent(
            cause: .signal, line: object.encoded(),
            variables: [TriggerEvent.Variable(name: "CRD_SIGNAL", value: Array(name.utf8))],
            readAt: readAt)
    }
}
