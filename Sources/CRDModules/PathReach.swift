// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
public import SystemPackage

/// Follows paths as far as that is possible without blocking.
public struct PathReach {
    /// The number of links that the kernel follows (path_resolution(7)).
    private static let linksMax = 40

    private let mountGuard: (any MountGuard)?

    /// - Parameter mountGuard: nil for a command, which may block.
    public init(_ mountGuard: (any MountGuard)? = nil) {
        self.mountGuard = mountGuard
    }

    /// Whether the caller may block.
    var mayWait: Bool { mountGuard == nil }

    /// Returns the refusal of the first mount that does not answer on the way to the path's end,
    /// through symbolic links.
    public func obstacle(on path: FilePath) -> FileRefusal? {
        guard let mountGuard, mountGuard.mounts.hasStalling else { return nil }
        return walk(path).obstacle
    }

    /// Does the same for a directory and files in it.
    func obstacle(on names: [FilePath.Component], in directory: FilePath) -> FileRefusal? {
        guard let mountGuard, mountGuard.mounts.hasStalling else { return nil }
        let way = walk(directory)
        return way.obstacle
            ?? names.lazy.compactMap { walk(FilePath(root: nil, [$0]), from: way.end).obstacle }
            .first
    }

    /// Follows a path through symbolic links.
    ///
    /// - Parameter start: a directory that was reached already.
    /// - Returns: where the path leads, or the last place that could be reached.
    private func walk(
        _ path: FilePath, from start: FilePath = "/"
    ) -> (end: FilePath, obstacle: FileRefusal?) {
        var rest = Array(path.components.reversed())
        var current = start
        var links = 0
        while let step = rest.popLast() {
            switch step.kind {
            case .currentDirectory: continue
            case .parentDirectory: current.removeLastComponent()
            case .regular:
                let next = current.appending(step)
                if let obstacle = obstacle(at: next) { return (current, obstacle) }
                guard links < Self.linksMax, let target = SymbolicLink.target(of: next) else {
                    current = next
                    continue
                }
                links += 1
                if target.isAbsolute { current = "/" }
                rest += target.components.reversed()
            }
        }
        return (current, nil)
    }

    /// Does the same for the last component of a path whose directory was checked just before,
    /// without following links.
    func obstacle(at path: FilePath) -> FileRefusal? {
        guard let mountGuard, mountGuard.mounts.hasStalling else { return nil }
        let mountPoint = path.withPlatformString { text in
            [UInt8](UnsafeRawBufferPointer(start: text, count: path.length))
        }
        guard let type = mountGuard.mounts.stallingFileSystem(at: mountPoint),
            let reason = mountGuard.objection(to: mountPoint, type)
        else { return nil }
        return FileRefusal(path, reason, isStalled: true)
    }
}
