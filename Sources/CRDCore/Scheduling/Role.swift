// SPDX-License-Identifier: GPL-3.0-or-later

/// What an executable of a module is there for. The raw value is its file name.
public enum Role: String, CaseIterable, Sendable {
    /// Says by its exit code whether the condition holds.
    case check
    /// Does something about a condition that holds.
    case response
}
