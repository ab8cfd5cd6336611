// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
public import SystemPackage

extension Configuration {
    /// The socket that the daemon listens on.
    public var socketPath: FilePath { FilePath(runtime).appending("crd.sock") }

    /// Returns the directory and the kind of the module with that name, faulty or not.
    func place(ofInstalled name: ModuleName) -> (path: FilePath, kind: ModuleKind)? {
        for (shelf, kind) in [(support, ModuleKind.support), (modules, .user)] {
            let path = FilePath(shelf).appending(name.description)
            if FileStatus(of: path, followingLinks: false) != nil { return (path, kind) }
        }
        return nil
    }
}
