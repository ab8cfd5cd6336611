// SPDX-License-Identifier: GPL-3.0-or-later

/// The value of a journal field, without a copy of its bytes.
struct JournalValue: Hashable {
    let bytes: UnsafeRawBufferPointer

    static func == (left: JournalValue, right: JournalValue) -> Bool {
        left.bytes.count == right.bytes.count && left.bytes.elementsEqual(right.bytes)
    }

    func hash(into hasher: inout Hasher) { hasher.combine(bytes: bytes) }

    /// Memory for values, which never moves.
    final class Store {
        private var stored: [UnsafeMutableRawBufferPointer] = []

        func store(_ value: some Collection<UInt8>) -> UnsafeRawBufferPointer {
            let copy = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(value.count, 1), alignment: 1)
            copy.copyBytes(from: value)
            stored.append(copy)
            return UnsafeRawBufferPointer(rebasing: copy[..<value.count])
        }

        func store(_ value: String) -> UnsafeRawBufferPointer { store(value.utf8) }

        deinit { for copy in stored { copy.deallocate() } }
    }
}
