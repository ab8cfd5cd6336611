// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore

/// A path trigger, or the part of its tree, on a mount whose server may not answer: it must be
/// watched where nobody else waits.
public struct StallingTrigger: Hashable, Sendable {
    public let module: ModuleID
    public let trigger: PathTrigger
    /// The first such mount point on the way to it.
    public let mountPoint: [UInt8]
    public let type: FileSystemType

    public init(
        _ trigger: PathTrigger, of module: ModuleID, at mountPoint: [UInt8], _ type: FileSystemType
    ) {
        self.module = module
        self.trigger = trigger
        self.mountPoint = mountPoint
        self.type = type
    }
}
