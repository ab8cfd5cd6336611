// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
public import CRDLinux
import SystemPackage

/// Tells whether reading a path will return before the path is read: a read on a mount whose server
/// does not answer never returns (G14).
public protocol MountGuard: AnyObject {
    var mounts: MountMap { get }
    /// Returns why the file system mounted there must not be read now; nil if its server answers.
    func objection(to mountPoint: [UInt8], _ type: FileSystemType) -> String?
}
