// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import CRDCore
import Glibc
import SystemPackage

/// An inotify(7) instance. The daemon keeps each one for life, since closing it takes the kernel
/// milliseconds.
struct Inotify: ~Copyable {
    /// The bytes of records read in one turn: two thousand events with the longest of names. Each
    /// turn has costs of its own, and everybody's records wait in one queue.
    private static let share = 1 << 19

    private let instance: Descriptor
    private let buffer: UnsafeMutableRawBufferPointer
    private let unread = Unread()

    /// The part of the buffer that was not passed on. It is an object, since receivers of records
    /// use this instance, which must not change meanwhile.
    private final class Unread {
        var range = 0..<0
    }

    /// Calls inotify_init1(2): non-blocking and close-on-exec.
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

    /// Returns the inode numbers that an inotify instance of this process, possibly a library's,
    /// watches (proc(5), `/proc/PID/fdinfo`); nil if that cannot be found out.
    static func watchedInodes(_ descriptor: CInt) -> Set<UInt64>? {
        guard let text = KernelFile.read("/proc/self/fdinfo/\(descriptor)") else { return nil }
        let fields = text.split(whereSeparator: \.isWhitespace)
        return Set(
            fields.filter { $0.hasPrefix("ino:") }
                .compactMap { UInt64($0.dropFirst("ino:".count), radix: 16) })
    }

    /// The content of one record (`struct inotify_event`).
    struct Record {
        let watch: WatchDescriptor
        let mask: UInt32
        /// The same number in both halves of a rename, else 0.
        let cookie: UInt32
        /// The name in the watched directory that the event is about; nil for the watched inode
        /// itself. Valid until the next read.
        let name: UnsafePointer<CChar>?

        var events: PathEvents { PathEvents(rawValue: mask).intersection(.all) }
        var isDirectory: Bool { has(IN_ISDIR) }
        var isOverflow: Bool { has(IN_Q_OVERFLOW) }
        /// The watch is gone, and its descriptor will not be reused.
        var isLast: Bool { has(IN_IGNORED) }
        /// The file system was unmounted.
        var isUnmount: Bool { has(IN_UNMOUNT) }

        private func has(_ bit: some BinaryInteger) -> Bool {
            mask & UInt32(truncatingIfNeeded: bit) != 0
        }
    }

    /// The watch that a record belongs to (`wd`).
    typealias WatchDescriptor = CInt

    /// How symbolic links in a path are handled.
    enum Links {
        case followed
        /// Follows all links except one at the end (`IN_DONT_FOLLOW`).
        case notFollowedLast
        /// Treats a path with any link as missing (openat2(2), `RESOLVE_NO_SYMLINKS`).
        case refused
    }

    /// Watches the inode at `path`, or adds events to the watch already on it
    /// (inotify_add_watch(2)).
    ///
    /// Deleted files report no more events, since no path leads to them.
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

    /// Shortens a path for messages: nobody reads four thousand bytes.
    private static func shown(_ path: [UInt8]) -> String {
        let text = String(decoding: path.prefix(256), as: UTF8.self)
        return path.count > 256 ? text + "…" : text
    }

    /// Ends a watch, unless the kernel has already done so (inotify_rm_watch(2)).
    func remove(_ watch: WatchDescriptor) {
        _ = inotify_rm_watch(instance.rawValue, watch)
    }

    /// Whether records were read that `read` has not passed on.
    var hasUnread: Bool { !unread.range.isEmpty }

    /// Reads the pending records, at most one turn's share (read(2)). What the last call has left
    /// comes first.
    ///
    /// - Parameter end: when to leave the rest for the next call.
    func read(
        until end: Instant? = nil, _ receive: (Record) -> Void
    ) throws(SystemCallError) {
        if unread.range.isEmpty { try fill() }
        while !unread.range.isEmpty {
            let record = buffer.loadUnaligned(
                fromByteOffset: unread.range.lowerBound, as: inotify_event.self)
            let name = unread.range.lowerBound + MemoryLayout<inotify_event>.size
            unread.range = (name + Int(record.len))..<unread.range.upperBound
            receive(
                Record(
                    watch: record.wd, mask: record.mask, cookie: record.cookie,
                    name: record.len == 0
                        ? nil
                        : UnsafePointer(
                            (buffer.baseAddress! + name).assumingMemoryBound(to: CChar.self))))
            if let end, Clock.now > end { return }
        }
    }

    private func fill() throws(SystemCallError) {
        do throws(SystemCallError) {
            let count = try systemCall("read", on: "inotify") {
                Glibc.read(instance.rawValue, buffer.baseAddress!, buffer.count)
            }
            unread.range = 0..<count
        } catch let error where error.errno == .wouldBlock {
            unread.range = 0..<0
        }
    }
}
