// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
public import CRDLinux
import SystemPackage

/// Tells before a path is looked at whether the look will return, which one at a mount whose server
/// does not answer never does (G14).
public protocol MountGuard: AnyObject {
    var mounts: MountMap { get }
    /// Why the file system mounted there is not to be looked at just now; nil: it answers.
    func objection(to mountPoint: [UInt8], _ type: FileSystemType) -> String?
}
