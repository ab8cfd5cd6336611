// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import FoundationEssentials
import Glibc
import SystemPackage

/// The file that tells a later daemon where to read on in the journal (G8).
///
/// It is replaced as a whole, so that a daemon which is killed leaves the old one or the new one.
/// Its time of change says when a daemon last read an entry that mattered.
final class JournalPositions {
    /// What is in it.
    struct Contents: Codable {
        /// How far the journal had been read.
        var read: JournalPosition?
        /// The modules that had been served until there, by name: most of them.
        var upToDate: Set<String> = []
        /// The others, and those that count.
        var records: [String: JournalRecord] = [:]

        func record(of module: String) -> JournalRecord? {
            if let record = records[module] { return record }
            return upToDate.contains(module) ? read.map { JournalRecord(position: $0) } : nil
        }
    }

    /// There is a file, but it says nothing.
    struct Damaged: Error, CustomStringConvertible {
        let description: String
    }

    private static let sizeMax = 1 << 28

    private let path: FilePath
    private let directory: FilePath
    /// When it was last changed or touched, in microseconds since 1970, as it was found.
    private(set) var lastSeen: Int64?

    init(in directory: FilePath) {
        self.directory = directory
        path = directory.appending("journal.json")
        lastSeen = FileStatus(of: path)?.modifiedMicroseconds
    }

    /// Nil where there is none.
    ///
    /// - Throws: `Damaged`; the file is moved aside then.
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
    /// - Parameter lasting: wait until it is on the disk, so that not even a loss of power takes it
    ///   (fdatasync(2)). Without, that may bring back an older one.
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

    /// Entries were read that matter: should the daemon die before it can store that, the next one
    /// knows that they were seen (utimensat(2)).
    func touch() {
        _ = utimensat(AT_FDCWD, path.string, Self.timesNow, 0)
    }

    /// For a file. What the kernel gives it by itself is the time of its latest tick, some
    /// milliseconds ago: before that of an entry which has just been read.
    private static var timesNow: [timespec] {
        let (seconds, nanoseconds) = Clock.realtimeNanoseconds.quotientAndRemainder(
            dividingBy: 1_000_000_000)
        let now = timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds))
        return [now, now]
    }
}
