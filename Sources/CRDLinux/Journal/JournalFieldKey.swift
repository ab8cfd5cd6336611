// SPDX-License-Identifier: GPL-3.0-or-later

/// The name of a journal field, ready to be asked for.
final class JournalFieldKey {
    let text: String
    private let cString: UnsafeMutableBufferPointer<CChar>

    init(_ text: String) {
        self.text = text
        let bytes = text.utf8CString
        cString = .allocate(capacity: bytes.count)
        _ = cString.initialize(from: bytes)
    }

    /// Whether an entry may have it several times; of its own fields journald adds one.
    var mayRepeat: Bool { !text.hasPrefix("_") || text == "_UDEV_DEVLINK" }

    deinit { cString.deallocate() }

    /// What the entry at hand has under this name; nil where it has no such field.
    ///
    /// - Parameter isWhole: beyond where values are cut, too.
    func value(in reader: JournalReader, isWhole: Bool = false) -> UnsafeRawBufferPointer? {
        guard let base = cString.baseAddress,
            let datum = isWhole ? reader.wholeData(base) : reader.data(base)
        else { return nil }
        // The name, which ends in NUL here, and '=' in the datum.
        return UnsafeRawBufferPointer(rebasing: datum[min(cString.count, datum.count)...])
    }
}
