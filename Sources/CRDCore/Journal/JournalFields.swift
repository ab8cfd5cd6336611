// SPDX-License-Identifier: GPL-3.0-or-later

/// The fields of a journal entry, in one block of memory: an entry has some thirty of them.
public struct JournalFields: Hashable, Sendable {
    /// A longer value is truncated to this many bytes.
    public static let valueMax = 64 << 10
    /// How many bytes of large fields are kept. Small fields, journald's own fields and the message
    /// are kept in addition, since modules identify the sender by them.
    public static let sizeMax = 512 << 10
    public static let smallMax = 1 << 10
    /// How many bytes of small fields are kept whole. An entry may have a thousand of them.
    private static let smallSizeMax = 128 << 10
    /// How many bytes are kept of a large field for which there is no room.
    private static let restMax = 256
    private static let message = "MESSAGE"

    private struct Place: Hashable {
        let start: Int
        let nameEnd: Int
        let end: Int
    }

    private var bytes: [UInt8] = []
    private var largeSize = 0
    private var smallSize = 0
    /// Only the first message is kept whatever its size: a sender may repeat the field.
    private var hasMessage = false
    private var places: [Place] = []
    /// The names of the fields whose values were truncated.
    public private(set) var truncated: [String] = []

    public init() {
        // Enough for most entries, so that nothing is moved.
        bytes.reserveCapacity(2_048)
        places.reserveCapacity(40)
    }

    /// The size of all names and values, in bytes.
    public var size: Int { bytes.count }

    /// Whether there is no room for another large field. Then it is enough to append the beginning of
    /// a value that is longer than `smallMax`, unless `nameIfWhole` says otherwise.
    public var isFull: Bool { largeSize >= Self.sizeMax }

    /// Returns the name of a field that is to be appended whole, and of which this is more than a
    /// small value.
    public func nameIfWhole(_ datum: UnsafeRawBufferPointer) -> String? {
        guard let size = datum.firstIndex(of: UInt8(ascii: "=")), datum.count - size > Self.smallMax
        else { return nil }
        let name = datum[..<size]
        guard name.first == UInt8(ascii: "_") || isFirstMessage(name) else { return nil }
        return String(decoding: name, as: UTF8.self)
    }

    private func isFirstMessage(_ name: Slice<UnsafeRawBufferPointer>) -> Bool {
        !hasMessage && name.elementsEqual(Self.message.utf8)
    }

    /// Appends `FIELD=value` as libsystemd returns it (sd_journal_enumerate_data(3)).
    public mutating func append(_ datum: UnsafeRawBufferPointer) {
        guard let nameSize = datum.firstIndex(of: UInt8(ascii: "=")) else { return }
        let valueSize = datum.count - nameSize - 1
        let name = datum[..<nameSize]
        let isMessage = isFirstMessage(name)
        hasMessage = hasMessage || isMessage
        let isSmall = valueSize <= Self.smallMax && smallSize + valueSize <= Self.smallSizeMax
        if isSmall { smallSize += valueSize }
        let isKept = isSmall || name.first == UInt8(ascii: "_") || isMessage
        let room = isKept ? Self.valueMax : max(Self.restMax, Self.sizeMax - largeSize)
        let kept = min(valueSize, Self.valueMax, room)
        if !isKept { largeSize += kept }
        let start = bytes.count
        bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: name))
        let value = UnsafeRawBufferPointer(rebasing: datum[(nameSize + 1)...])
        bytes.append(contentsOf: Self.truncated(value, to: kept))
        if kept < valueSize { truncated.append(String(decoding: name, as: UTF8.self)) }
        places.append(Place(start: start, nameEnd: start + nameSize, end: bytes.count))
    }

    /// Returns the beginning of text, without splitting a character: half of one would not be UTF-8.
    public static func truncated(
        _ value: UnsafeRawBufferPointer, to limit: Int
    ) -> UnsafeRawBufferPointer {
        guard limit < value.count else { return value }
        var end = limit
        // A character has at most three bytes after its first.
        while end > 0, limit - end < 4, value[end] & 0xC0 == 0x80 { end -= 1 }
        if value[end] & 0xC0 == 0x80 { end = limit }
        return UnsafeRawBufferPointer(rebasing: value[..<end])
    }

    /// Returns the first value of a field.
    public func first(_ name: String) -> ArraySlice<UInt8>? {
        places.first { isNamed($0, name) }.map(value)
    }

    private func isNamed(_ place: Place, _ name: String) -> Bool {
        bytes[place.start..<place.nameEnd].elementsEqual(name.utf8)
    }

    private func value(_ place: Place) -> ArraySlice<UInt8> { bytes[place.nameEnd..<place.end] }

    private func name(_ place: Place) -> ArraySlice<UInt8> { bytes[place.start..<place.nameEnd] }

    /// Calls `body` for each field with all its values, as `journalctl --all --output=json` groups
    /// them.
    func visit(_ body: (_ name: ArraySlice<UInt8>, _ values: [ArraySlice<UInt8>]) -> Void) {
        // By a dictionary, not by pairs: a sender may give an entry a thousand fields.
        var groups: [(name: ArraySlice<UInt8>, values: [ArraySlice<UInt8>])] = []
        var numbers: [ArraySlice<UInt8>: Int] = [:]
        groups.reserveCapacity(places.count)
        numbers.reserveCapacity(places.count)
        for place in places {
            let name = name(place)
            if let number = numbers[name] {
                groups[number].values.append(value(place))
            } else {
                numbers[name] = groups.count
                groups.append((name, [value(place)]))
            }
        }
        for (name, values) in groups { body(name, values) }
    }
}
