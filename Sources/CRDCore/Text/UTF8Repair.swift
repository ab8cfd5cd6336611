// SPDX-License-Identifier: GPL-3.0-or-later

/// Makes UTF-8 of bytes that are not, without moving any (RFC 3629).
public enum UTF8Repair {
    /// Stands for each byte that is not part of a character, as in `PrintableText`.
    public static let substitute = UInt8(ascii: "?")

    /// A copy in which each byte that is not part of a character is replaced; nil where there is
    /// none.
    public static func repaired(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        guard let first = firstFault(in: bytes, from: 0) else { return nil }
        return Array(unsafeUninitializedCapacity: bytes.count) { copy, count in
            UnsafeMutableRawBufferPointer(copy).copyMemory(from: bytes)
            count = bytes.count
            var fault: Int? = first
            while let offset = fault {
                copy[offset] = substitute
                fault = firstFault(in: bytes, from: offset + 1)
            }
        }
    }

    /// The first byte at or after `start`, where a character begins, that is not part of one.
    private static func firstFault(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var offset = start
        while offset < bytes.count {
            // Nearly all that is logged is ASCII, so eight bytes are looked at together.
            while offset + 8 <= bytes.count,
                bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    & 0x8080_8080_8080_8080 == 0
            {
                offset += 8
            }
            guard offset < bytes.count else { return nil }
            // Where one byte is none, the next often is none either.
            if bytes[offset] & 0xC0 == 0x80 { return offset }
            let length = length(ofCharacterAt: offset, in: bytes)
            if length == 0 { return offset }
            offset += length
        }
        return nil
    }

    /// In bytes; 0 where none begins there.
    private static func length(ofCharacterAt offset: Int, in bytes: UnsafeRawBufferPointer) -> Int {
        let first = bytes[offset]
        if first < 0x80 { return 1 }
        // What is longer than necessary, a surrogate or beyond U+10FFFF shows in the second byte.
        let (length, second): (Int, ClosedRange<UInt8>) =
            switch first {
            case 0xC2...0xDF: (2, 0x80...0xBF)
            case 0xE0: (3, 0xA0...0xBF)
            case 0xED: (3, 0x80...0x9F)
            case 0xE1...0xEF: (3, 0x80...0xBF)
            case 0xF0: (4, 0x90...0xBF)
            case 0xF1...0xF3: (4, 0x80...0xBF)
            case 0xF4: (4, 0x80...0x8F)
            default: (0, 0...0)
            }
        guard length > 0, offset + length <= bytes.count, second.contains(bytes[offset + 1]) else {
            return 0
        }
        for place in (offset + 2)..<(offset + max(length, 2)) where bytes[place] & 0xC0 != 0x80 {
            return 0
        }
        return length
    }
}
