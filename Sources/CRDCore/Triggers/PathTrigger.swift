// SPDX-License-Identifier: GPL-3.0-or-later

/// A `[[trigger.path]]` of a manifest: what to look out for in the file system.
public struct PathTrigger: Hashable, Sendable {
    /// Absolute, without a slash at its end or two in a row, `.` or `..`.
    public var path: String
    public var events: PathEvents
    /// Whether the directories below belong to it too.
    public var isRecursive: Bool
    /// What is not a directory must match one of these, if there are any.
    public var include: [Glob]
    /// Nothing may match one of these, and no directory that does is looked into.
    public var exclude: [Glob]
    /// How many inotify(7) watches the path triggers of its module may take together; nil: an eighth
    /// of what the kernel gives.
    public var watchesMax: Int?

    public init(
        path: String, events: PathEvents = .usual, isRecursive: Bool = false,
        include: [Glob] = [], exclude: [Glob] = [], watchesMax: Int? = nil
    ) {
        self.path = path
        self.events = events
        self.isRecursive = isRecursive
        self.include = include
        self.exclude = exclude
        self.watchesMax = watchesMax
    }
}
