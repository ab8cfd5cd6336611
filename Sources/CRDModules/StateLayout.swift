// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
public import SystemPackage

/// The directories below `state` of crd.conf, which the daemon and the installing commands share.
public struct StateLayout: Sendable {
    public let state: FilePath

    public init(_ state: FilePath) {
        self.state = state
    }

    /// The modules' state directories.
    public var modules: FilePath { state.appending("modules") }
    /// crd's own records, accessible to root only.
    public var daemon: FilePath { state.appending("daemon") }

    /// Makes missing directories, each in a directory that only trusted users can change.
    ///
    /// - Throws: `FileRefusal`, without making anything below it; `SystemCallError`.
    public func make() throws {
        let rule = OwnershipRule()
        let top = try rule.makeDirectory(state)
        _ = try rule.makeDirectory(modules)
        try rule.makePrivate("daemon", in: top)
    }

    /// Verifies that only trusted users can change the directories: anybody else could impersonate
    /// the daemon, or make it kill processes at its start.
    public func verify() throws(FileRefusal) {
        for directory in directories { try OwnershipRule().verify(directory) }
    }

    /// Does the same for those directories that exist.
    public func verifyWhatIsThere() throws(FileRefusal) {
        for directory in directories where FileStatus(of: directory, followingLinks: false) != nil {
            try OwnershipRule().verify(directory)
        }
    }

    private var directories: [FilePath] { [state, modules, daemon] }
}
