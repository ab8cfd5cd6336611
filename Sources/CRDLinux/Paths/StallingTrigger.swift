// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore

/// A path trigger, or part of its tree, on a mount whose server may not answer. It must be watched
/// in a process that may block.
public struct StallingTrigger: Hashable, Sendable {
    public let listener: PathListener
    public let trigger: PathTrigger
    /// The first stalling mount point on the path.
    public let mountPoint: [UInt8]
    public let type: FileSystemType
    /// Whether the trigger's path leads to the mount, which has not merely appeared in its tree.
    public let isNamed: Bool

    public init(
        _ trigger: PathTrigger, of listener: PathListener, at mountPoint: [UInt8],
        _ type: FileSystemType, isNamed: Bool
    ) {
        self.listener = listener
        self.trigger = trigger
        self.mountPoint = mountPoint
        self.type = type
        self.isNamed = isNamed
    }
}
