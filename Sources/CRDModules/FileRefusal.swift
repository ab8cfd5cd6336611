// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
public import SystemPackage

/// Why a file is not used: its path, the fault and the remedy.
public struct FileRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    public let path: FilePath
    /// The fault and the remedy.
    public let reason: String
    /// Whether the file does not exist.
    public let isMissing: Bool
    /// Whether it is on a mount whose server does not answer now.
    public let isStalled: Bool

    public init(
        _ path: FilePath, _ reason: String, isMissing: Bool = false, isStalled: Bool = false
    ) {
        self.path = path
        self.reason = reason
        self.isMissing = isMissing
        self.isStalled = isStalled
    }

    /// Returns whether this file itself is missing, and not its target or a directory above it.
    func isMissing(_ path: FilePath) -> Bool { isMissing && self.path == path }

    public var description: String { "\(path) \(reason)" }

    /// Returns a refusal of `path` itself if that is a dangling link: the missing target alone
    /// would not tell the reader which link to fix.
    func told(of path: FilePath) -> FileRefusal {
        guard !isStalled, self.path != path, FileStatus(of: path) == nil,
            FileStatus(of: path, followingLinks: false)?.kind == .symbolicLink
        else { return self }
        return FileRefusal(
            path, "is a symbolic link that leads nowhere (\(self)); fix or remove it")
    }
}
