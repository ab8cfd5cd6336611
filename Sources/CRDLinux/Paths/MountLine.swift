// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc

/// A line of /proc/self/mountinfo (proc(5)).
///
/// Users can make a thousand mounts whose paths have thousands of bytes, and the table is read at
/// each change, so each byte is looked at once (G15).
struct MountLine {
    /// A path has fewer bytes (PATH_MAX, limits.h): no system call takes a longer one, so nothing
    /// can be looked up on a mount whose path has become longer by a rename.
    private static let pathMax = 4_096
    /// The longest line of a mount with such a path: two paths, each byte of which may be written
    /// as four, and some short fields.
    static let lengthMax = 12 * pathMax

    /// The mount ID.
    let number: Int
    let path: [UInt8]
    let type: FileSystemType

    /// Nil if the mount's path is too long, or the line is not one of the table.
    init?(_ line: UnsafeRawBufferPointer) {
        var rest = line
        guard let number = Int(Self.text(Self.word(&rest))) else { return nil }
        for _ in 0..<3 { _ = Self.word(&rest) }
        let path = Self.unescaped(Self.word(&rest))
        guard !path.isEmpty, path.count < Self.pathMax else { return nil }
        // Options and a varying number of tags, a hyphen, the type, the source, which may be empty,
        // and the options of the file system.
        while !rest.isEmpty, !Self.word(&rest).elementsEqual([UInt8(ascii: "-")]) {}
        let name = Self.text(Self.word(&rest))
        _ = Self.word(&rest)
        self.number = number
        self.path = path
        type = FileSystemType(name, options: Self.text(rest))
    }

    /// Takes the text up to the next space.
    private static func word(_ rest: inout UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let count = position(of: UInt8(ascii: " "), in: rest) ?? rest.count
        let word = UnsafeRawBufferPointer(rebasing: rest[..<count])
        rest = UnsafeRawBufferPointer(rebasing: rest[min(count + 1, rest.count)...])
        return word
    }

    private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes, as: UTF8.self)
    }

    /// Finds a byte (memchr(3)).
    static func position(of byte: UInt8, in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let start = bytes.baseAddress, let found = memchr(start, CInt(byte), bytes.count)
        else { return nil }
        return UnsafeRawPointer(found) - start
    }

    /// Decodes a path: space, tab, line feed and backslash are a backslash and three octal digits.
    private static func unescaped(_ text: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: text.count) { path, count in
            var place = 0
            while place < text.count {
                let byte = text[place]
                place += 1
                if byte == UInt8(ascii: "\\"), place + 3 <= text.count {
                    var code: UInt8 = 0
                    for digit in text[place..<(place + 3)] { code = code << 3 | digit & 7 }
                    path[count] = code
                    place += 3
                } else {
                    path[count] = byte
                }
                count += 1
            }
        }
    }
}
