// SPDX-License-Identifier: GPL-3.0-or-later

/// The inotify(7) watches that a listener's path triggers use for the directories of their trees,
/// and their limit. Without it, a user who can make directories in one tree could use up the watches
/// of all others.
final class WatchShare {
    let max: Int
    var count = 0

    /// - Parameter max: nil for an eighth of the kernel's limit
    ///   (`/proc/sys/fs/inotify/max_user_watches`).
    init(max: Int?) {
        self.max = max ?? Self.defaultMax
    }

    private static let defaultMax: Int = {
        let limit = KernelFile.read("/proc/sys/fs/inotify/max_user_watches")
        return Swift.max(1, limit.flatMap { Int($0.prefix { $0 != "\n" }) }.map { $0 / 8 } ?? 1_024)
    }()

    var hasRoom: Bool { count < max }

    /// Explains why part of a tree is not watched.
    var shortage: String {
        "its triggers take \(max) inotify watches, which is all that they may take; exclude directories, or raise 'watches-max' in module.toml"
    }
}
