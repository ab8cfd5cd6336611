// SPDX-License-Identifier: GPL-3.0-or-later

/// A list of C strings in one piece of memory, as `argv` and `envp` are (execve(2)).
public struct CStringBlock: Sendable {
    private var bytes: [UInt8] = []
    private var offsets: [Int] = []

    public init() {}

    public init(_ strings: [String]) {
        for string in strings { append(string) }
    }

    /// Appends `name=value`. NUL bytes, which would end the value early, are left out.
    public mutating func append(_ name: String, _ value: some Sequence<UInt8>) {
        offsets.append(bytes.count)
        bytes.append(contentsOf: name.utf8)
        bytes.append(UInt8(ascii: "="))
        bytes.append(contentsOf: value.lazy.filter { $0 != 0 })
        bytes.append(0)
    }

    private mutating func append(_ string: String) {
        offsets.append(bytes.count)
        bytes.append(contentsOf: string.utf8)
        bytes.append(0)
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
}
