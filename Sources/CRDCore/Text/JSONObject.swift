// SPDX-License-Identifier: GPL-3.0-or-later

/// Writes one JSON object without a line feed: a line of a `CRD_EVENTS` file.
///
/// It does not use Codable: names and log lines need not be UTF-8, and thousands may come per
/// second.
struct JSONObject {
    private var bytes: [UInt8] = []

    /// - Parameter capacity: the expected size in bytes; growing the array would cost more than
    ///   everything else here.
    init(capacity: Int = 512) {
        bytes.reserveCapacity(capacity)
        bytes.append(UInt8(ascii: "{"))
    }

    /// Returns the whole object.
    consuming func encoded() -> [UInt8] {
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    mutating func add(_ key: String, _ text: String) {
        add(key: key)
        quote(text)
    }

    /// Adds text if it is UTF-8, else an array of the bytes, as journalctl(1) shows it.
    mutating func add(_ key: String, text: [UInt8]) {
        add(key: key)
        if String(validating: text, as: UTF8.self) != nil {
            text.withUnsafeBufferPointer { quote($0) }
        } else {
            list(bytes: text[...])
        }
    }

    /// Adds bytes as numbers.
    mutating func add(_ key: String, bytes: [UInt8]) {
        add(key: key)
        list(bytes: bytes[...])
    }

    mutating func add(_ key: String, _ texts: [String]) {
        add(key: key)
        list(texts) { $1.quote($0) }
    }

    mutating func add(_ key: String, _ flag: Bool) {
        add(key: key)
        append(contentsOf: flag ? "true".utf8 : "false".utf8)
    }

    mutating func add(_ key: String, _ number: Int) {
        add(key: key)
        append(contentsOf: "\(number)".utf8)
    }

    mutating func add(_ key: String, _ object: consuming JSONObject) {
        add(key: key)
        bytes.append(contentsOf: object.encoded())
    }

    /// Adds an object that is encoded already.
    mutating func add(_ key: String, json: [UInt8]) {
        add(key: key)
        bytes.append(contentsOf: json)
    }

    mutating func add(_ key: String, _ objects: [JSONObject]) {
        add(key: key)
        list(objects) { $1.bytes.append(contentsOf: $0.encoded()) }
    }

    /// Adds a journal field: text if journalctl(1) shows it as text, else an array of the bytes; an
    /// array of all values if there are several.
    mutating func add(_ key: String, journalValues values: [ArraySlice<UInt8>]) {
        add(Array(key.utf8)[...], journalValues: values)
    }

    mutating func add(_ key: ArraySlice<UInt8>, journalValues values: [ArraySlice<UInt8>]) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        key.withUnsafeBufferPointer { quote($0) }
        bytes.append(UInt8(ascii: ":"))
        if values.count == 1 {
            add(journalValue: values[0])
        } else {
            list(values) { $1.add(journalValue: $0) }
        }
    }

    private mutating func add(journalValue value: ArraySlice<UInt8>) {
        if Self.isPrintable(value) {
            value.withUnsafeBufferPointer { quote($0) }
        } else {
            list(bytes: value)
        }
    }

    /// Returns whether text has no control characters except tab and line feed, and no
    /// noncharacters of Unicode (systemd's `utf8_is_printable`).
    private static func isPrintable(_ text: ArraySlice<UInt8>) -> Bool {
        var isASCII = true
        for byte in text {
            switch byte {
            case UInt8(ascii: "\t"), UInt8(ascii: "\n"), 0x20..<0x7F: continue
            case 0x80...: isASCII = false
            default: return false
            }
        }
        if isASCII { return true }
        guard let decoded = String(validating: text, as: UTF8.self) else { return false }
        return !decoded.unicodeScalars.contains {
            (0x80..<0xA0).contains($0.value) || $0.properties.isNoncharacterCodePoint
        }
    }

    private mutating func add(key: String) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        quote(key)
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func append(contentsOf text: some Sequence<UInt8>) {
        bytes.append(contentsOf: text)
    }

    private mutating func list<Items: Sequence>(
        _ items: Items, _ add: (Items.Element, inout JSONObject) -> Void
    ) {
        bytes.append(UInt8(ascii: "["))
        for (index, item) in items.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            add(item, &self)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    /// Adds bytes as numbers. Anybody can send a megabyte of them, and must not hold the daemon with
    /// it (G15).
    private mutating func list(bytes list: ArraySlice<UInt8>) {
        bytes.append(UInt8(ascii: "["))
        for (index, byte) in list.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            if byte >= 100 { bytes.append(UInt8(ascii: "0") + byte / 100) }
            if byte >= 10 { bytes.append(UInt8(ascii: "0") + byte / 10 % 10) }
            bytes.append(UInt8(ascii: "0") + byte % 10)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    private mutating func quote(_ text: String) {
        var text = text
        text.withUTF8 { quote($0) }
    }

    /// Copies text up to the first character that needs an escape, since most has none.
    private mutating func quote(_ text: UnsafeBufferPointer<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        let place = text.firstIndex(where: Self.needsEscape) ?? text.count
        bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[..<place]))
        if place < text.count { escape(UnsafeBufferPointer(rebasing: text[place...])) }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Adds text with escapes. In a block of its own, since whoever names files can make all of it
    /// need them, and must not hold the daemon with it (G15).
    private mutating func escape(_ text: UnsafeBufferPointer<UInt8>) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 6 * text.count) { escaped in
            var count = 0
            func put(_ byte: UInt8) {
                escaped[count] = byte
                count += 1
            }
            for byte in text {
                guard Self.needsEscape(byte) else {
                    put(byte)
                    continue
                }
                put(UInt8(ascii: "\\"))
                switch byte {
                case UInt8(ascii: "\n"): put(UInt8(ascii: "n"))
                case UInt8(ascii: "\t"): put(UInt8(ascii: "t"))
                case 0..<0x20, 0x7F:
                    put(UInt8(ascii: "u"))
                    put(UInt8(ascii: "0"))
                    put(UInt8(ascii: "0"))
                    put(Self.digit(byte >> 4))
                    put(Self.digit(byte & 0xF))
                default: put(byte)
                }
            }
            bytes.append(
                contentsOf: UnsafeBufferPointer(rebasing: UnsafeBufferPointer(escaped)[..<count]))
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
    }
}
