// SPDX-License-Identifier: GPL-3.0-or-later

/// Messages for which the service manager's socket had no room, oldest first. Only the newest of
/// each kind is kept, so there are never more than there are kinds.
public struct PendingNotifications: Sendable {
    public private(set) var messages: [ServiceNotification] = []

    public init() {}

    public mutating func add(_ message: ServiceNotification) {
        messages.removeAll(where: message.replaces)
        messages.append(message)
    }

    /// Removes the oldest message after it was sent.
    public mutating func removeFirst() { messages.removeFirst() }
}
