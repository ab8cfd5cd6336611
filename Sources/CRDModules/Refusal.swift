// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
public import SystemPackage

/// Why a file is not used: which, what is wrong with it, and what to do.
public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
    public let path: FilePath
    /// What is wrong, and the remedy.
    public let reason: String
    /// There is no such file.
    public let isMissing: Bool
    /// It lies on a mount whose server does not answer just now.
    public let isStalled: Bool

    public init(
        _ path: FilePath, _ reason: String, isMissing: Bool = false, isStalled: Bool = false
    ) {
        self.path = path
        self.reason = reason
        self.isMissing = isMissing
        self.isStalled = isStalled
    }

    /// Whether it is this file itself that is not there, and not what it leads to or lies in.
    func isMissing(_ path: FilePath) -> Bool { isMissing && self.path == path }

    public var description: String { "\(path) \(reason)" }

    /// The same, told of `path` where that is a link that leads nowhere: what it should lead to
    /// says nothing to a reader.
    func told(of path: FilePath) -> Refusal {
        guard !isStalled, self.path != path, FileStatus(of: path) == nil,
            FileStatus(of: path, followingLinks: false)?.kind == .symbolicLink
        else { return self }
        return Refusal(path, "is a symbolic link that leads nowhere (\(self)); fix or remove it")
    }
}
