// SPDX-License-Identifier: GPL-3.0-or-later

/// An entry in the form that journald receives (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/).
public struct JournalDatagram: Sendable {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    /// Appends a field.
    ///
    /// - Parameters:
    ///   - name: capital letters, digits and underscores.
    ///   - value: any bytes.
    public mutating func append(_ name: String, _ value: some Collection<UInt8>) {
        bytes.append(contentsOf: name.utf8)
        if value.contains(UInt8(ascii: "\n")) {
            // Such a value follows its length in eight bytes, little-endian.
            bytes.append(UInt8(ascii: "\n"))
            for shift in stride(from: 0, to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: value.count >> shift))
            }
        } else {
            bytes.append(UInt8(ascii: "="))
        }
        bytes.append(contentsOf: value)
        bytes.append(UInt8(ascii: "\n"))
    }

    public mutating func append(_ name: String, _ value: String) { append(name, value.utf8) }
}
