// SPDX-License-Identifier: GPL-3.0-or-later

/// A number with its noun: `1 line`, `2 lines`.
public struct CountedNoun: CustomStringConvertible {
    public let description: String

    /// - Parameter plural: nil for one that ends in `s`.
    public init(_ count: Int, _ singular: String, _ plural: String? = nil) {
        description = "\(count) \(count == 1 ? singular : plural ?? "\(singular)s")"
    }
}
