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
    /// The file's content.
    struct Contents: Codable {
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
    /// The file's modification time when the daemon started, in microseconds since 1970.
    private(set) var lastSeen: Int64?

    init(in directory: FilePath) {
        self.directory = directory
        path = directory.appending("journal.json")
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

    /// Replaces the file (rename(2)).
    ///
    /// - Parameter lasting: wait until the file is on the disk, so that it survives a power failure
    ///   (fdatasync(2)). Otherwise a power failure may bring back an older one.
    func store(_ contents: Contents, lasting: Bool) throws {
        let new = directory.appending("journal.json.new")
        let file = try Descriptor.open(new, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        try file.writeAll(Array(JSONEncoder().encode(contents)), subject: new.string)
        _ = futimens(file.rawValue, Self.timesNow)
        if lasting {
            try systemCall("fdatasync", on: new.string) { fdatasync(file.rawValue) }
        }
        try systemCall("rename", on: path.string) { rename(new.string, path.string) }
    }

    /// Notes that matching entries were read: if the daemon dies before it stores their position,
    /// the next one knows that they were seen (utimensat(2)).
    func touch() {
        _ = utimensat(AT_FDCWD, path.string, Self.timesNow, 0)
    }

    /// The current time as both times of a file. The kernel's own default is the time of its latest
    /// tick, some milliseconds ago: that may precede an entry that was just read.
    private static var timesNow: [timespec] {
        let (seconds, nanoseconds) = Clock.realtimeNanoseconds.quotientAndRemainder(
            dividingBy: 1_000_000_000)
        let now = timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds))
        return [now, now]
    }
}
