// SPDX-License-Identifier: GPL-3.0-or-later

import CSystemd

/// The names of journal fields whose values are fetched together.
final class JournalFieldNames {
    private var texts: [UnsafeMutableBufferPointer<CChar>] = []
    private(set) var table: [crd_journal_name] = []
    /// The longest prefix of a value that is needed to compare it with the wanted ones.
    private(set) var valueMax = 0

    deinit { for text in texts { text.deallocate() } }

    /// Adds a name.
    ///
    /// - Returns: the name's index.
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
