// SPDX-License-Identifier: GPL-3.0-or-later

/// A list of C strings in one block of memory, in the form of `argv` and `envp` (execve(2)).
///
/// A NUL byte would end a string early, so NUL bytes are omitted.
public struct CStringBlock: Sendable {
    private var bytes: [UInt8] = []
    private var offsets: [Int] = []

    public init(_ strings: [String] = []) {
        for string in strings {
            begin()
            add(string)
            end()
        }
    }

    /// Appends all strings of `other`.
    public mutating func append(contentsOf other: CStringBlock) {
        offsets += other.offsets.map { bytes.count + $0 }
        bytes += other.bytes
    }

    /// Appends `name=value`.
    public mutating func append(_ name: String, _ value: String) {
        begin()
        add(name)
        bytes.append(UInt8(ascii: "="))
        add(value)
        end()
    }

    /// Appends `name=value`, the value cut to `limit` bytes.
    public mutating func append(_ name: String, bytes value: [UInt8], limit: Int) {
        begin()
        add(name)
        bytes.append(UInt8(ascii: "="))
        for byte in value.prefix(limit) where byte != 0 { bytes.append(byte) }
        end()
    }

    /// Calls `body` with the null-terminated list of pointers.
    public mutating func withPointers<Result>(
        _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        bytes.withUnsafeMutableBytes { buffer in
            let start = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            var pointers = offsets.map { offset in start.map { $0 + offset } }
            pointers.append(nil)
            return body(pointers)
        }
    }

    private mutating func begin() {
        offsets.append(bytes.count)
    }

    private mutating func add(_ string: String) {
        var string = string
        string.withUTF8 { utf8 in
            if utf8.contains(0) {
                bytes.append(contentsOf: utf8.lazy.filter { $0 != 0 })
            } else {
                bytes.append(contentsOf: utf8)
            }
        }
    }

    private mutating func end() {
        bytes.append(0)
    }
}
