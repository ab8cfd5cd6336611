// SPDX-License-Identifier: GPL-3.0-or-later

/// A size as written in a file: `1MiB`, `20K`, `1.5GB`.
public struct ByteSize: Hashable, Sendable, CustomStringConvertible {
    public var bytes: Int

    public init(_ bytes: Int) {
        self.bytes = bytes
    }

    /// Parses a size. `K`, `M`, `G` and `T` are powers of 1024, as in systemd; `KB` and the like of
    /// 1000.
    init(parsing text: String) throws(QuantityScanner.Malformed) {
        var scanner = QuantityScanner(text)
        bytes = Int(try scanner.next(size: Self.bytes(in:)))
        // Unlike time spans, sizes have only one part.
        guard scanner.isAtEnd else { throw .noNumber }
    }

    /// The size in the largest binary unit that leaves a whole number.
    public var description: String {
        let units = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        for (name, size) in units where bytes != 0 && bytes.isMultiple(of: size) {
            return "\(bytes / size)\(name)"
        }
        return "\(bytes)B"
    }

    private static func bytes(in unit: String) -> Int64? {
        switch unit {
        case "B", "": 1
        case "KB": 1_000
        case "MB": 1_000_000
        case "GB": 1_000_000_000
        case "TB": 1_000_000_000_000
        case "KiB", "K": 1 << 10
        case "MiB", "M": 1 << 20
        case "GiB", "G": 1 << 30
        case "TiB", "T": 1 << 40
        default: nil
        }
    }
}
