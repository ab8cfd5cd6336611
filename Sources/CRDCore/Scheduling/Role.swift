// SPDX-License-Identifier: GPL-3.0-or-later

/// The purpose of a module's executable. The raw value is its file name.
public enum Role: String, CaseIterable, Sendable {
    /// Reports by its exit code whether the condition holds.
    case check
    /// Acts on a condition that holds.
    case response

    /// Whether a user module cannot do without it.
    public var isRequired: Bool {
        switch self {
        case .check, .response: true
        }
    }

    public static let required = allCases.filter(\.isRequired)
}
