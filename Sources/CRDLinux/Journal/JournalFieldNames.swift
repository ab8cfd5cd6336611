// SPDX-License-Identifier: GPL-3.0-or-later

import CSystemd

/// The names of journal fields of which all values are asked for at once.
final class JournalFieldNames {
    private var texts: [UnsafeMutableBufferPointer<CChar>] = []
    private(set) var table: [crd_journal_name] = []
    /// So much of a value tells whether it is one of those that are looked for.
    private(set) var valueMax = 0

    deinit { for text in texts { text.deallocate() } }

    /// - Returns: the name's number.
    func add(_ name: String) -> Int {
        let bytes = name.utf8CString
        let copy = UnsafeMutableBufferPointer<CChar>.allocate(capacity: bytes.count)
        _ = copy.initialize(from: bytes)
        texts.append(copy)
        guard let start = copy.baseAddress else { preconditionFailure("a name has its NUL byte") }
        table.append(crd_journal_name(text: start, size: bytes.count - 1))
        return table.count - 1
    }

    func expect(valueOf size: Int) { valueMax = max(valueMax, size) }
}
