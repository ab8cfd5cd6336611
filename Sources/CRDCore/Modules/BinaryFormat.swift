// SPDX-License-Identifier: GPL-3.0-or-later

/// A kind of file for which an interpreter is registered in the kernel (binfmt_misc), for example
/// another machine's programs for qemu.
public struct BinaryFormat: Equatable, Sendable {
    private enum Sign: Equatable {
        /// The end of the name, without the dot.
        case ending(String)
        case magic([UInt8], mask: [UInt8], offset: Int)
    }

    private let sign: Sign

    /// - Parameter text: the content of a file below /proc/sys/fs/binfmt_misc. Nil for a format
    ///   that is disabled or not understood.
    public init?(parsing text: String) {
        var values: [Substring: Substring] = [:]
        let lines = text.split(separator: "\n")
        for line in lines {
            let words = line.split(separator: " ", maxSplits: 1)
            if words.count == 2 { values[words[0]] = words[1] }
        }
        guard lines.first == "enabled" else { return nil }
        if let ending = values["extension"] {
            sign = .ending(String(ending.drop { $0 == "." }))
            return
        }
        guard let magic = values["magic"].flatMap(Self.bytes), !magic.isEmpty else { return nil }
        let mask = values["mask"].flatMap(Self.bytes)
        sign = .magic(
            magic, mask: mask?.count == magic.count ? mask ?? [] : magic.map { _ in 0xFF },
            offset: values["offset"].flatMap { Int($0) } ?? 0)
    }

    private static func bytes(_ hex: Substring) -> [UInt8]? {
        let digits = hex.compactMap(\.hexDigitValue)
        guard digits.count == hex.count, digits.count.isMultiple(of: 2) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8(digits[$0] << 4 | digits[$0 + 1])
        }
    }

    /// Returns whether a file is of this kind.
    ///
    /// - Parameter bytes: the beginning of the file.
    public func fits(_ bytes: [UInt8], named name: String) -> Bool {
        switch sign {
        case .ending(let ending): name.hasSuffix(".\(ending)")
        case .magic(let magic, let mask, let offset):
            offset >= 0 && bytes.count >= offset + magic.count
                && magic.indices.allSatisfy {
                    bytes[offset + $0] & mask[$0] == magic[$0] & mask[$0]
                }
        }
    }
}
