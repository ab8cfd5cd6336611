// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
public import SystemPackage

/// The directories below `state` of crd.conf, which the daemon shares with whoever changes modules.
public struct StateLayout: Sendable {
    public let state: FilePath

    public init(_ state: FilePath) {
        self.state = state
    }

    /// The modules' own.
    public var modules: FilePath { state.appending("modules") }
    /// Records of crd's: root's alone.
    public var daemon: FilePath { state.appending("daemon") }

    /// Makes what is missing, each in a directory that nobody else could change.
    ///
    /// - Throws: `Refusal`, and nothing was made below; `SystemCallError`.
    public func make() throws {
        let rule = OwnershipRule()
        let top = try rule.makeDirectory(state)
        _ = try rule.makeDirectory(modules)
        try rule.makePrivate("daemon", in: top)
    }

    /// Sees that nobody else could change them: who can do that can pretend to be the daemon, or make
    /// it kill at its start.
    public func verify() throws(Refusal) {
        for directory in directories { try OwnershipRule().verify(directory) }
    }

    /// The same for those of them that are there.
    public func verifyWhatIsThere() throws(Refusal) {
        for directory in directories where FileStatus(of: directory, followingLinks: false) != nil {
            try OwnershipRule().verify(directory)
        }
    }

    private var directories: [FilePath] { [state, modules, daemon] }
}
