// SPDX-License-Identifier: GPL-3.0-or-later

public import SystemPackage

extension FilePath {
    /// Makes a path from bytes without NUL, which need not be UTF-8.
    public init(bytes: [UInt8]) {
        self = withPath(bytes) { FilePath(platformString: $0) }
    }
}

/// Calls `body` with a path, which must not contain a NUL byte, as a C string.
func withPath<Result>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: path.count + 1) { text in
        for (index, byte) in path.enumerated() { text[index] = CChar(bitPattern: byte) }
        text[path.count] = 0
        return body(text.baseAddress!)
    }
}

extension [UInt8] {
    /// Appends a name to this path, with a slash in between.
    mutating func append(_ name: UnsafePointer<CChar>) {
        if last != UInt8(ascii: "/") { append(UInt8(ascii: "/")) }
        append(contentsOf: FileName(name).bytes)
    }
}
