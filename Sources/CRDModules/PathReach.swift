// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
public import SystemPackage

/// Follows paths as far as looks return.
public struct PathReach {
    /// As many links as the kernel follows (path_resolution(7)).
    private static let linksMax = 40

    private let mountGuard: (any MountGuard)?

    /// - Parameter mountGuard: nil for a command, which may wait.
    public init(_ mountGuard: (any MountGuard)? = nil) {
        self.mountGuard = mountGuard
    }

    /// Whether whoever looks may wait.
    var mayWait: Bool { mountGuard == nil }

    /// The mount on the way to where the path leads, through symbolic links, that does not answer.
    public func obstacle(on path: FilePath) -> Refusal? {
        guard let mountGuard, mountGuard.mounts.hasStalling else { return nil }
        return walk(path).obstacle
    }

    /// The same for a directory and files in it.
    func obstacle(on names: [FilePath.Component], in directory: FilePath) -> Refusal? {
        guard let mountGuard, mountGuard.mounts.hasStalling else { return nil }
        let way = walk(directory)
        return way.obstacle
            ?? names.lazy.compactMap { walk(FilePath(root: nil, [$0]), from: way.end).obstacle }
            .first
    }

    /// - Parameter start: was walked to.
    /// - Returns: where the path leads, or as far as looks return.
    private func walk(
        _ path: FilePath, from start: FilePath = "/"
    ) -> (end: FilePath, obstacle: Refusal?) {
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

    /// The same for the last name of a path whose directory was looked at just now, and without
    /// following it.
    func obstacle(at path: FilePath) -> Refusal? {
        guard let mountGuard, mountGuard.mounts.hasStalling else { return nil }
        let mountPoint = path.withPlatformString { text in
            [UInt8](UnsafeRawBufferPointer(start: text, count: path.length))
        }
        guard let type = mountGuard.mounts.stallingFileSystem(at: mountPoint),
            let reason = mountGuard.objection(to: mountPoint, type)
        else { return nil }
        return Refusal(path, reason, isStalled: true)
    }
}
