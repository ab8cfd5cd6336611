// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import Glibc
import SystemPackage

/// The mounts listed in /proc/self/mountinfo (proc(5)); it becomes ready when they change.
public final class MountSource: BackloggedSource {
    /// A mount or an unmount.
    public struct Change: Hashable, Sendable {
        public let path: [UInt8]
        public let isMounted: Bool
    }

    private struct Mount: Hashable {
        let number: [UInt8]
        let path: [UInt8]
    }

    private let file: Descriptor
    /// The same file once more: each open file reports each change once, whoever asks.
    private let probe: Descriptor
    /// Called with the changes, unmounts first.
    public var receive: ([Change], inout [Event]) -> Void
    private var mounts: Set<Mount> = []
    /// Changes that are in the map already and are to be reported.
    private var changes: [Change] = []
    public private(set) var hasBacklog = false
    /// Updated before the changes are reported.
    public let map = MountMap()

    /// Reads the mount table.
    public init(
        receive: @escaping ([Change], inout [Event]) -> Void = { _, _ in }
    ) throws(SystemCallError) {
        // The thread's own file: each thread may have its own mount namespace.
        file = try .open("/proc/thread-self/mountinfo", O_RDONLY)
        probe = try .open("/proc/thread-self/mountinfo", O_RDONLY)
        self.receive = receive
        mounts = try read()
        map.refresh = { [weak self] in self?.refresh() }
    }

    public var descriptor: CInt { file.rawValue }
    public var interest: Interest { .changed }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        hasBacklog = false
        try update()
        let all = changes
        changes = []
        if !all.isEmpty { receive(all, &events) }
    }

    /// Updates the map if the table has changed (poll(2)); the next drain reports the changes.
    private func refresh() {
        var request = pollfd(fd: probe.rawValue, events: Int16(POLLPRI), revents: 0)
        guard poll(&request, 1, 0) > 0 else { return }
        hasBacklog = true
        // The next drain reads it again, and reports a failure.
        try? update()
    }

    private func update() throws(SystemCallError) {
        let now = try read()
        let gone = mounts.subtracting(now).map { Change(path: $0.path, isMounted: false) }
        let new = now.subtracting(mounts).map { Change(path: $0.path, isMounted: true) }
        mounts = now
        changes += Self.inOrder(gone) + Self.inOrder(new)
    }

    /// Sorts from the root directory downwards.
    private static func inOrder(_ changes: [Change]) -> [Change] {
        changes.sorted { $0.path.lexicographicallyPrecedes($1.path) }
    }

    /// Returns the mount points at the directory or below it.
    ///
    /// - Throws: `SystemCallError` when the table cannot be read.
    public static func mountPoints(
        atOrBelow directory: FilePath
    ) throws(SystemCallError) -> [FilePath] {
        guard let root = SymbolicLink.resolved(directory) else { return [] }
        return try MountSource { _, _ in }.mounts.map { FilePath(bytes: $0.path) }
            .filter { $0.starts(with: root) }
            .sorted { $0.string < $1.string }
    }

    /// Returns the type of the mount with that number; nil if it is gone, or the table cannot be read.
    static func fileSystem(ofMount number: Substring) -> FileSystemType? {
        let lines = KernelFile.read("/proc/thread-self/mountinfo")?.split(separator: "\n")
        let line = lines?.first { $0.hasPrefix("\(number) ") }
        return line.map { type(in: Array($0.utf8)[...]) }
    }

    private func read() throws(SystemCallError) -> Set<Mount> {
        try systemCall("lseek", on: "mountinfo") { lseek(file.rawValue, 0, SEEK_SET) }
        let text = try file.readAll(subject: "mountinfo")
        var mounts: Set<Mount> = []
        var types: [[UInt8]: FileSystemType] = [:]
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
            guard fields.count > 4 else { continue }
            let path = Self.unescaped(fields[4])
            mounts.insert(Mount(number: Array(fields[0]), path: path))
            // Of several mounts on one directory, the last hides the others.
            types[path] = Self.type(in: fields.last ?? [])
        }
        map.replace(with: types)
        return mounts
    }

    /// Finds the type in a line's rest: options, a varying number of tags, a hyphen, the type, the
    /// source, which may be empty, and the options of the file system.
    private static func type(in rest: ArraySlice<UInt8>) -> FileSystemType {
        let words = rest.split(separator: UInt8(ascii: " "))
        let hyphen = words.firstIndex { $0.elementsEqual([UInt8(ascii: "-")]) }
        let type = hyphen.flatMap { $0 + 1 < words.count ? words[$0 + 1] : nil } ?? []
        return FileSystemType(
            String(decoding: type, as: UTF8.self),
            options: String(decoding: words.last ?? [], as: UTF8.self))
    }

    /// Decodes a path: space, tab, line feed and backslash are a backslash and three octal digits.
    private static func unescaped(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                result.append(code)
                rest = rest.dropFirst(3)
            } else {
                result.append(byte)
            }
        }
        return result
    }
}
