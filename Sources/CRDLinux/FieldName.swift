// SPDX-License-Identifier: GPL-3.0-or-later

/// The name of a journal field, ready to be asked for.
final class FieldName {
    let text: String
    private let cString: UnsafeMutableBufferPointer<CChar>

    init(_ text: String) {
        self.text = text
        let bytes = text.utf8CString
        cString = .allocate(capacity: bytes.count)
        _ = cString.initialize(from: bytes)
    }

    deinit { cString.deallocate() }

    /// What the entry at hand has under this name; nil where it has no such field.
    func value(in reader: JournalReader) -> UnsafeRawBufferPointer? {
        guard let base = cString.baseAddress, let datum = reader.data(base) else { return nil }
        // The name, which ends in NUL here, and '=' in the datum.
        return UnsafeRawBufferPointer(rebasing: datum[min(cString.count, datum.count)...])
    }
}
