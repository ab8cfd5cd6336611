// SPDX-License-Identifier: GPL-3.0-or-later

/// Messages that the service manager's socket had no room for: of each kind the newest, in the order
/// in which they were made, so that they never grow to more than there are kinds.
public struct PendingNotifications: Sendable {
    public private(set) var messages: [ServiceNotification] = []

    public init() {}

    public mutating func add(_ message: ServiceNotification) {
        messages.removeAll(where: message.replaces)
        messages.append(message)
    }

    /// The oldest was sent.
    public mutating func removeFirst() { messages.removeFirst() }
}
