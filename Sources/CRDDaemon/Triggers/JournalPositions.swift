// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import FoundationEssentials
import Glibc
import SystemPackage

/// The file that tells a later daemon where to continue reading the journal (G8).
///
/// It is replaced as a whole, so that a killed daemon leaves either the old file or the new one.
/// Its modification time says when a daemon last read a matching entry.
final class JournalPositions {
    /// The file's content, which `JournalPositionsWriter` writes.
    struct Contents: Decodable {
        /// The position up to which the journal had been read.
        var read: JournalPosition?
        /// The names of the modules that had been served up to `read`: most modules.
        var upToDate: Set<String> = []
        /// The records of the other modules, including those that count entries.
        var records: [String: JournalRecord] = [:]

        func record(of module: String) -> JournalRecord? {
            if let record = records[module] { return record }
            return upToDate.contains(module) ? read.map { JournalRecord(position: $0) } : nil
        }
    }

    /// The file exists but cannot be decoded.
    struct Damaged: Error, CustomStringConvertible {
        let description: String
    }

    private static let sizeMax = 1 << 28

    private let path: FilePath
    private let directory: FilePath
    private let new: FilePath
    /// Nil where nothing is being written.
    private var writer: JournalPositionsWriter?
    /// What is to be written next.
    private var next: Contents?
    /// The file's modification time when the daemon started, in microseconds since 1970.
    private(set) var lastSeen: Int64?

    init(in directory: FilePath) {
        self.directory = directory
        path = directory.appending("journal.json")
        new = directory.appending("journal.json.new")
        lastSeen = FileStatus(of: path)?.modifiedMicroseconds
    }

    /// Reads the file; returns nil if there is none.
    ///
    /// - Throws: `Damaged`; the file is then moved aside.
    func load() throws(Damaged) -> Contents? {
        do {
            return try JSONFile.load(Contents.self, from: path, sizeMax: Self.sizeMax)
        } catch {
            let aside = directory.appending("journal.json.damaged")
            _ = rename(path.string, aside.string)
            throw Damaged(description: "\(path) cannot be read (\(error)); it is kept as \(aside)")
        }
    }

    /// Begins to replace the file; `goOn` does it. If it is being replaced already, that happens
    /// afterwards.
    func store(_ contents: Contents) {
        next = contents
    }

    /// Whether there is anything to write.
    var isStoring: Bool { writer != nil || next != nil }

    /// Continues to replace the file, until that is done or the time has come (rename(2)).
    ///
    /// Counters take a megabyte for each module while somebody floods the log with keys, so the
    /// daemon does not write them all at once (G15).
    func goOn(until end: Instant) throws {
        repeat {
            guard let writer = try writer ?? next.map({ try begin($0) }) else { return }
            guard try writer.writeNext() else { continue }
            self.writer = nil
            try putInPlace()
        } while isStoring && Clock.now < end
    }

    private func begin(_ contents: Contents) throws -> JournalPositionsWriter {
        next = nil
        let writer = try JournalPositionsWriter(contents, to: new, sizeMax: Self.sizeMax)
        self.writer = writer
        return writer
    }

    /// Replaces the file at once, and waits until it is on the disk, so that it survives a power
    /// failure (fdatasync(2)). After `store`, a power failure may bring back an older one.
    func storeLastingly(_ contents: Contents) throws {
        let writer = try begin(contents)
        while try !writer.writeNext() {}
        self.writer = nil
        try writer.flush()
        try putInPlace()
    }

    private func putInPlace() throws {
        try systemCall("rename", on: path.string) { rename(new.string, path.string) }
    }

    /// Forgets what could not be written.
    func giveUp() { (writer, next) = (nil, nil) }

    /// Notes that matching entries were read: if the daemon dies before it stores their position,
    /// the next one knows that they were seen (utimensat(2)).
    func touch() {
        _ = utimensat(AT_FDCWD, path.string, Self.timesNow, 0)
    }

    /// The current time as both times of a file. The kernel's own default is the time of its latest
    /// tick, some milliseconds ago: that may precede an entry that was just read.
    static var timesNow: [timespec] {
        let (seconds, nanoseconds) = Clock.realtimeNanoseconds.quotientAndRemainder(
            dividingBy: 1_000_000_000)
        let now = timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds))
        return [now, now]
    }
}
