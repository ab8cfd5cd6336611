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

    private let file: Descriptor
    /// The same file once more: each open file reports each change once, whoever asks.
    private let probe: Descriptor
    /// Called with the changes, unmounts first.
    public var receive: ([Change], inout [Event]) -> Void
    /// The mount points by mount ID.
    private var mounts: [Int: [UInt8]] = [:]
    /// The table has changed since its latest reading began.
    private var isStale = false
    private var reading: Reading?
    /// Changes that are in the map already and are to be reported.
    private var changes: [Change] = []
    public private(set) var hasBacklog = false
    /// Updated before the changes are reported.
    public let map = MountMap()

    /// A reading of the table, which may take many turns: users can make a thousand mounts, and
    /// their paths arbitrarily long (G15).
    private struct Reading {
        var mounts: [Int: [UInt8]] = [:]
        var types: [[UInt8]: FileSystemType] = [:]
        /// The beginning of a line that goes on in the next piece.
        var begun: [UInt8] = []

        mutating func add(piece: Slice<UnsafeRawBufferPointer>) {
            var rest = UnsafeRawBufferPointer(rebasing: piece)
            while let end = MountLine.position(of: UInt8(ascii: "\n"), in: rest) {
                let line = UnsafeRawBufferPointer(rebasing: rest[..<end])
                if begun.isEmpty {
                    add(line)
                } else {
                    begun.append(contentsOf: line.prefix(MountLine.lengthMax - begun.count))
                    let whole = begun
                    begun = []
                    whole.withUnsafeBytes { add($0) }
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[(end + 1)...])
            }
            // Of a line that is too long, the end is left out, and its path is too long as well.
            begun.append(contentsOf: rest.prefix(MountLine.lengthMax - begun.count))
        }

        private mutating func add(_ line: UnsafeRawBufferPointer) {
            guard let mount = MountLine(line) else { return }
            mounts[mount.number] = mount.path
            // Of several mounts on one directory, the last hides the others.
            types[mount.path] = mount.type
        }
    }

    /// How long one turn may take, so that it delays nothing else.
    private static let timeShare = Duration.milliseconds(5)

    /// Reads the mount table.
    public init(
        receive: @escaping ([Change], inout [Event]) -> Void = { _, _ in }
    ) throws(SystemCallError) {
        // The thread's own file: each thread may have its own mount namespace.
        file = try .open("/proc/thread-self/mountinfo", O_RDONLY)
        probe = try .open("/proc/thread-self/mountinfo", O_RDONLY)
        self.receive = receive
        try beginReading()
        _ = try read(until: nil)
        changes = []
        map.refresh = { [weak self] in self?.refresh() ?? true }
    }

    public var descriptor: CInt { file.rawValue }
    public var interest: Interest { .changed }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        hasBacklog = try !update()
        let all = changes
        changes = []
        if !all.isEmpty { receive(all, &events) }
    }

    /// Updates the map if the table has changed; the next drain reports the changes.
    ///
    /// - Returns: whether the map has all mounts. If not, the next turns go on.
    private func refresh() -> Bool {
        // The next drain reads it again, and reports a failure.
        let isComplete = (try? update()) ?? true
        hasBacklog = hasBacklog || !isComplete || !changes.isEmpty
        return isComplete
    }

    /// Reads the table, as long as it changes and the turn's share lasts.
    ///
    /// - Returns: whether the map has all mounts.
    private func update() throws(SystemCallError) -> Bool {
        let end = Clock.now + Self.timeShare
        do throws(SystemCallError) {
            while reading != nil || hasChanged {
                guard Clock.now < end else { return false }
                if reading == nil { try beginReading() }
                guard try read(until: end) else { return false }
            }
        } catch {
            isStale = true
            throw error
        }
        return true
    }

    /// Whether the table has changed since its latest reading began (poll(2)).
    private var hasChanged: Bool {
        var request = pollfd(fd: probe.rawValue, events: Int16(POLLPRI), revents: 0)
        if poll(&request, 1, 0) > 0 { isStale = true }
        return isStale
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
        return try MountSource { _, _ in }.mounts.values.map { FilePath(bytes: $0) }
            .filter { $0.starts(with: root) }
            .sorted { $0.string < $1.string }
    }

    /// Returns the type of the mount with that number; nil if it is gone, or the table cannot be read.
    static func fileSystem(ofMount number: Substring) -> FileSystemType? {
        let text = KernelFile.read("/proc/thread-self/mountinfo").map { Array($0.utf8) } ?? []
        var found: FileSystemType?
        text.withUnsafeBytes { text in
            for line in text.split(separator: UInt8(ascii: "\n")) {
                guard let mount = MountLine(UnsafeRawBufferPointer(rebasing: line)),
                    mount.number == Int(number)
                else { continue }
                found = mount.type
            }
        }
        return found
    }

    /// How much of the table is read at a time.
    private static let pieceSize = 1 << 16

    private func beginReading() throws(SystemCallError) {
        isStale = false
        reading = nil
        try systemCall("lseek", on: "mountinfo") { lseek(file.rawValue, 0, SEEK_SET) }
        reading = Reading()
    }

    /// Continues to read the table; at its end, updates the map.
    ///
    /// - Returns: whether the end was reached.
    private func read(until end: Instant?) throws(SystemCallError) -> Bool {
        guard var reading else { return true }
        self.reading = nil
        var piece = [UInt8](repeating: 0, count: Self.pieceSize)
        while true {
            let count = try systemCall("read", on: "mountinfo") {
                Glibc.read(file.rawValue, &piece, piece.count)
            }
            guard count > 0 else { break }
            piece.withUnsafeBytes { reading.add(piece: $0[..<count]) }
            if let end, Clock.now > end {
                self.reading = reading
                return false
            }
        }
        let gone = mounts.filter { reading.mounts[$0.key] != $0.value }.values
        let new = reading.mounts.filter { mounts[$0.key] != $0.value }.values
        mounts = reading.mounts
        map.replace(with: reading.types)
        changes += Self.inOrder(gone.map { Change(path: $0, isMounted: false) })
        changes += Self.inOrder(new.map { Change(path: $0, isMounted: true) })
        return true
    }
}
