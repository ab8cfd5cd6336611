// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import FoundationEssentials
import Glibc
import SystemPackage

/// Writes a new file of positions, the record of one module after the other.
final class JournalPositionsWriter {
    private let path: FilePath
    private let file: Descriptor
    private let sizeMax: Int
    private var records: ArraySlice<(name: String, record: JournalRecord)>
    private var size = 0
    private var isFirst = true
    private let encoder = JSONEncoder()

    /// Creates the file.
    ///
    /// - Parameter sizeMax: the limit of bytes that can be read back.
    init(_ contents: JournalPositions.Contents, to path: FilePath, sizeMax: Int) throws {
        self.path = path
        self.sizeMax = sizeMax
        file = try Descriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        records =
            contents.records.sorted { $0.key < $1.key }
            .map { (name: $0.key, record: $0.value) }[...]
        var head = Array("{".utf8)
        if let read = contents.read {
            head += try Array("\"read\":".utf8) + encoder.encode(read) + Array(",".utf8)
        }
        head += try Array("\"upToDate\":".utf8) + encoder.encode(contents.upToDate.sorted())
        head += Array(",\"records\":{".utf8)
        try write(head)
    }

    /// Writes the next record, or the end of the file.
    ///
    /// - Returns: whether the file is complete.
    func writeNext() throws -> Bool {
        guard let (name, record) = records.popFirst() else {
            try write(Array("}}".utf8))
            _ = futimens(file.rawValue, JournalPositions.timesNow)
            return true
        }
        var text = Array((isFirst ? "" : ",").utf8)
        isFirst = false
        text += try encoder.encode(name) + Array(":{\"position\":".utf8)
        text += try encoder.encode(record.position) + Array(",\"counters\":[".utf8)
        for (index, count) in record.counters.enumerated() {
            text += Array((index == 0 ? "{\"trigger\":" : ",{\"trigger\":").utf8)
            text += try encoder.encode(count.trigger) + Array(",\"counter\":".utf8)
            text += count.counterJSON + Array("}".utf8)
        }
        try write(text + Array("]}".utf8))
        return false
    }

    private func write(_ bytes: [UInt8]) throws(SystemCallError) {
        size += bytes.count
        // A file that cannot be read back would take all positions with it.
        guard size <= sizeMax else {
            throw SystemCallError(function: "write", errno: .fileTooLarge, subject: path.string)
        }
        try file.writeAll(bytes, subject: path.string)
    }

    /// Waits until the file is on the disk (fdatasync(2)).
    func flush() throws(SystemCallError) {
        try systemCall("fdatasync", on: path.string) { fdatasync(file.rawValue) }
    }
}
