// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
public import SystemPackage

/// Why a file is not used: which, what is wrong with it, and what to do.
public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
    public let path: FilePath
    /// What is wrong, and the remedy.
    public let reason: String
    /// There is no such file.
    public let isMissing: Bool

    public init(_ path: FilePath, _ reason: String, isMissing: Bool = false) {
        self.path = path
        self.reason = reason
        self.isMissing = isMissing
    }

    public var description: String { "\(path) \(reason)" }
}
