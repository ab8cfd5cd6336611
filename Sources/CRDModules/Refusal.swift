// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
public import SystemPackage

/// Why a file is not used: which, what is wrong with it, and what to do.
public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
    public let path: FilePath
    /// What is wrong, and the remedy.
    public let reason: String

    public init(_ path: FilePath, _ reason: String) {
        self.path = path
        self.reason = reason
    }

    public var description: String { "\(path) \(reason)" }
}
