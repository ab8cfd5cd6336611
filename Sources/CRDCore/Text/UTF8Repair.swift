// SPDX-License-Identifier: GPL-3.0-or-later

/// Turns any bytes into UTF-8 without moving any of them (RFC 3629).
public enum UTF8Repair {
    /// Replaces each byte that is not part of a character, as in `PrintableText`.
    public static let substitute = UInt8(ascii: "?")

    /// Returns a copy in which each byte that is not part of a character is replaced; nil if there
    /// is no such byte.
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

    /// Returns the first byte that is not part of a character, from `start` on, where one begins.
    private static func firstFault(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var offset = start
        while offset < bytes.count {
            // Nearly all log text is ASCII, so eight bytes are checked together.
            while offset + 8 <= bytes.count,
                bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    & 0x8080_8080_8080_8080 == 0
            {
                offset += 8
            }
            guard offset < bytes.count else { return nil }
            // After a byte outside any character, the next one is often outside too.
            if bytes[offset] & 0xC0 == 0x80 { return offset }
            let length = length(ofCharacterAt: offset, in: bytes)
            if length == 0 { return offset }
            offset += length
        }
        return nil
    }

    /// Returns the length of a character in bytes; 0 if no character begins there.
    private static func length(ofCharacterAt offset: Int, in bytes: UnsafeRawBufferPointer) -> Int {
        let first = bytes[offset]
        if first < 0x80 { return 1 }
        // Overlong forms, surrogates and values beyond U+10FFFF show in the second byte.
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
