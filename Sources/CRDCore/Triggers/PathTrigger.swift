// SPDX-License-Identifier: GPL-3.0-or-later

/// A `[[trigger.path]]` of a manifest: which changes in the file system trigger the module.
public struct PathTrigger: Hashable, Sendable {
    /// Absolute, without a trailing slash, double slashes, `.` or `..`.
    public var path: String
    public var events: PathEvents
    /// Whether all directories below are watched too.
    public var isRecursive: Bool
    /// If there are any, the name of anything but a directory must match one of these.
    public var include: [Glob]
    /// Names that match one of these are ignored, and such directories are not entered.
    public var exclude: [Glob]
    /// How many inotify(7) watches all path triggers of the module may use together; nil: an eighth
    /// of the kernel's limit.
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
