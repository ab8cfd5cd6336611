// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import CRDCore
import Glibc
import SystemPackage

/// An inotify(7) instance: the one of the whole daemon, kept for life, since giving one back takes
/// the kernel milliseconds.
struct Inotify: ~Copyable {
    /// How many bytes of records one turn takes: some thousand events.
    private static let share = 1 << 16

    private let instance: Descriptor
    private let buffer: UnsafeMutableRawBufferPointer

    /// inotify_init1(2), non-blocking and close-on-exec.
    static func make() throws(SystemCallError) -> Inotify {
        let flags = CInt(IN_NONBLOCK | IN_CLOEXEC)
        return Inotify(
            instance: Descriptor(
                adopting: try systemCall("inotify_init1") { inotify_init1(flags) }),
            buffer: .allocate(byteCount: share, alignment: 16))
    }

    private init(instance: consuming Descriptor, buffer: UnsafeMutableRawBufferPointer) {
        self.instance = instance
        self.buffer = buffer
    }

    deinit { buffer.deallocate() }

    var descriptor: CInt { instance.rawValue }

    /// Whether an instance of this process, which may be a library's, watches anything.
    static func hasWatches(_ descriptor: CInt) -> Bool {
        KernelFile.read("/proc/self/fdinfo/\(descriptor)")?.contains("inotify wd:") ?? true
    }

    /// What one record says (`struct inotify_event`).
    struct Record {
        let watch: WatchDescriptor
        let mask: UInt32
        /// The same in both halves of a rename, else 0.
        let cookie: UInt32
        /// What it happened to in the directory watched; nil where it happened to what is watched.
        /// Valid until the next read.
        let name: UnsafePointer<CChar>?

        var events: PathEvents { PathEvents(rawValue: mask).intersection(.all) }
        var isDirectory: Bool { has(IN_ISDIR) }
        var isOverflow: Bool { has(IN_Q_OVERFLOW) }
        /// The watch is gone, and its descriptor will not be used again.
        var isLast: Bool { has(IN_IGNORED) }
        /// The file system is gone.
        var isUnmount: Bool { has(IN_UNMOUNT) }

        private func has(_ bit: some BinaryInteger) -> Bool {
            mask & UInt32(truncatingIfNeeded: bit) != 0
        }
    }

    /// Which watch a record belongs to (`wd`).
    typealias WatchDescriptor = CInt

    /// What becomes of symbolic links in a path.
    enum Links {
        case followed
        /// Only the last name's is not (`IN_DONT_FOLLOW`).
        case notFollowedLast
        /// With one anywhere there is nothing at the path (openat2(2), `RESOLVE_NO_SYMLINKS`).
        case refused
    }

    /// Watches what is at `path`, or widens the watch that there is on the same inode
    /// (inotify_add_watch(2)).
    ///
    /// Files that were deleted are no longer listened to, since no path leads to them.
    func add(
        _ path: [UInt8], _ events: PathEvents, onlyIfDirectory: Bool, _ links: Links
    ) throws(SystemCallError) -> WatchDescriptor {
        var mask = events.subtracting(.unmount).rawValue
        mask |= UInt32(IN_MASK_ADD) | UInt32(IN_EXCL_UNLINK)
        if links == .notFollowedLast { mask |= UInt32(IN_DONT_FOLLOW) }
        if onlyIfDirectory { mask |= UInt32(IN_ONLYDIR) }
        return try systemCall("inotify_add_watch", on: Self.shown(path)) {
            withPath(path) {
                links == .refused
                    ? crd_watch_without_links(instance.rawValue, $0, mask)
                    : inotify_add_watch(instance.rawValue, $0, mask)
            }
        }
    }

    /// For messages, of which nobody reads four thousand bytes.
    private static func shown(_ path: [UInt8]) -> String {
        let text = String(decoding: path.prefix(256), as: UTF8.self)
        return path.count > 256 ? text + "…" : text
    }

    /// Ends a watch, if the kernel has not done so (inotify_rm_watch(2)).
    func remove(_ watch: WatchDescriptor) {
        _ = inotify_rm_watch(instance.rawValue, watch)
    }

    /// Takes what is there, as much as one turn's share (read(2)).
    func read(_ receive: (Record) -> Void) throws(SystemCallError) {
        let count: Int
        do throws(SystemCallError) {
            count = try systemCall("read", on: "inotify") {
                Glibc.read(instance.rawValue, buffer.baseAddress!, buffer.count)
            }
        } catch let error where error.errno == .wouldBlock {
            return
        }
        var offset = 0
        while offset < count {
            let record = buffer.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
            offset += MemoryLayout<inotify_event>.size
            let name = buffer.baseAddress! + offset
            offset += Int(record.len)
            receive(
                Record(
                    watch: record.wd, mask: record.mask, cookie: record.cookie,
                    name: record.len == 0
                        ? nil : UnsafePointer(name.assumingMemoryBound(to: CChar.self))))
        }
    }
}
