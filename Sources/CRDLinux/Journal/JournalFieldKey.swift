// SPDX-License-Identifier: GPL-3.0-or-later

/// The name of a journal field, with its C string for lookups.
final class JournalFieldKey {
    let text: String
    private let cString: UnsafeMutableBufferPointer<CChar>

    init(_ text: String) {
        self.text = text
        let bytes = text.utf8CString
        cString = .allocate(capacity: bytes.count)
        _ = cString.initialize(from: bytes)
    }

    /// Whether an entry may have the field several times; of its own fields journald adds only one.
    var mayRepeat: Bool { !text.hasPrefix("_") || text == "_UDEV_DEVLINK" }

    deinit { cString.deallocate() }

    /// Returns the field's value in the current entry; nil if the entry has no such field.
    ///
    /// - Parameter isWhole: return all of a value that would otherwise be cut.
    func value(in reader: JournalReader, isWhole: Bool = false) -> UnsafeRawBufferPointer? {
        guard let base = cString.baseAddress,
            let datum = isWhole ? reader.wholeData(base) : reader.data(base)
        else { return nil }
        // The datum begins with the name and '=', which are as long as the name and its NUL here.
        return UnsafeRawBufferPointer(rebasing: datum[min(cString.count, datum.count)...])
    }
}
