// SPDX-License-Identifier: GPL-3.0-or-later

/// A report about a listener's path triggers.
public enum PathReport: Sendable {
    case happened(TriggerEvent)
    /// Some of them cannot be watched, or their watches are not enough. The reason says what to do
    /// about it.
    case deafened(reason: String)
    /// They are watched again.
    case rearmed

    /// The scheduler's event.
    public func event(for module: ModuleID) -> Event {
        switch self {
        case .happened(let event): .triggered(module, event)
        case .deafened(let reason): .deafened(module, .path, reason: reason)
        case .rearmed: .rearmed(module, .path)
        }
    }
}
