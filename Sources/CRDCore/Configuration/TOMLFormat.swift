// SPDX-License-Identifier: GPL-3.0-or-later

/// The values that a key accepts.
struct TOMLFormat<Value: Sendable>: Sendable {
    /// Describes the accepted values, to follow "it must be". Built only for a complaint.
    let expected: @Sendable () -> String
    /// Returns nil if the value is not accepted; a complaint then says why.
    let read: @Sendable (TOMLValue, inout TOMLComplaints) -> Value?

    init(
        expected: @autoclosure @escaping @Sendable () -> String,
        read: @escaping @Sendable (TOMLValue, inout TOMLComplaints) -> Value?
    ) {
        self.expected = expected
        self.read = read
    }

    /// Accepts strings that `parse` accepts.
    static func string(
        _ expected: @autoclosure @escaping @Sendable () -> String,
        parse: @escaping @Sendable (String, TOMLValue, inout TOMLComplaints) -> Value?
    ) -> TOMLFormat {
        TOMLFormat(expected: expected()) { value, complaints in
            if case .string(let text) = value.content { return parse(text, value, &complaints) }
            complaints.refuse(value)
            return nil
        }
    }

    func map<Other>(_ transform: @escaping @Sendable (Value) -> Other) -> TOMLFormat<Other> {
        TOMLFormat<Other>(expected: expected()) { read($0, &$1).map(transform) }
    }

    /// Returns a format that also accepts a word, with a meaning of its own.
    func or(_ word: String, _ meaning: Value) -> TOMLFormat {
        TOMLFormat(expected: "\"\(word)\" or \(expected())") { value, complaints in
            value.content == .string(word) ? meaning : read(value, &complaints)
        }
    }

    /// Accepts one of a few words.
    static func word(_ meanings: KeyValuePairs<String, Value>) -> TOMLFormat {
        TOMLFormat.string(meanings.map { "\"\($0.key)\"" }.joined(separator: " or ")) {
            text, value, complaints in
            if let found = meanings.first(where: { $0.key == text }) { return found.value }
            complaints.refuse(value, because: "is unknown")
            return nil
        }
    }
}

extension TOMLFormat {
    /// Accepts a list. Each refused item gets a complaint of its own, and refuses the whole list.
    static func list<Item: Sendable>(
        _ expected: String, item: @escaping @Sendable (TOMLValue, inout TOMLComplaints) -> Item?
    ) -> TOMLFormat where Value == [Item] {
        TOMLFormat(expected: expected) { value, complaints in
            guard case .array(let items) = value.content else {
                complaints.refuse(value)
                return nil
            }
            let accepted = items.compactMap { item($0, &complaints) }
            return accepted.count == items.count ? accepted : nil
        }
    }

    /// Returns a format that refuses a longer list.
    func atMost(_ countMax: Int) -> TOMLFormat where Value: Collection {
        refusing { $0.count > countMax ? "has more than \(countMax) entries" : nil }
    }

    /// Returns a format that refuses an empty list.
    func nonEmpty() -> TOMLFormat where Value: Collection {
        refusing { $0.isEmpty ? "is empty" : nil }
    }

    private func refusing(
        because objection: @escaping @Sendable (Value) -> String?
    ) -> TOMLFormat {
        TOMLFormat(expected: expected()) { value, complaints in
            guard let accepted = read(value, &complaints) else { return nil }
            guard let reason = objection(accepted) else { return accepted }
            complaints.refuse(value, because: reason)
            return nil
        }
    }
}

extension TOMLFormat where Value == Bool {
    static let boolean = TOMLFormat(expected: "true or false") { value, complaints in
        if case .boolean(let flag) = value.content { return flag }
        complaints.refuse(value)
        return nil
    }
}

extension TOMLFormat where Value == Int {
    static func integer(in range: ClosedRange<Int>) -> TOMLFormat {
        TOMLFormat(
            expected: "a whole number from \(range.lowerBound) to \(range.upperBound)"
        ) { value, complaints in
            guard case .integer(let number) = value.content else {
                complaints.refuse(value)
                return nil
            }
            if let number = Int(exactly: number), range.contains(number) { return number }
            complaints.refuse(
                value, because: "is too \(number < range.lowerBound ? "small" : "large")")
            return nil
        }
    }

    /// Accepts a number of bytes: a plain number, or a string with a unit.
    static func size(upTo max: ByteSize) -> TOMLFormat {
        TOMLFormat(expected: "a size up to \(max), such as \"1MiB\"") { value, complaints in
            let quantity = complaints.quantity(value, plain: { Int($0) }) {
                text throws(QuantityScanner.Malformed) in try ByteSize(parsing: text).bytes
            }
            guard let bytes = quantity else { return nil }
            if (0...max.bytes).contains(bytes) { return bytes }
            complaints.refuse(value, because: bytes < 0 ? "is negative" : "is too large")
            return nil
        }
    }
}

extension TOMLFormat where Value == Duration {
    /// Accepts a time span: whole seconds, or a string with units.
    static func span(_ range: ClosedRange<Duration>) -> TOMLFormat {
        TOMLFormat(
            expected: "a time span from \(TimeSpan(range.lowerBound)) to "
                + "\(TimeSpan(range.upperBound)), such as \"30s\""
        ) { value, complaints in
            let quantity = complaints.quantity(value, plain: { Duration.seconds($0) }) {
                text throws(QuantityScanner.Malformed) in try TimeSpan(parsing: text).duration
            }
            guard let span = quantity else { return nil }
            if range.contains(span) { return span }
            let reason =
                span < .zero ? "negative" : span < range.lowerBound ? "too short" : "too long"
            complaints.refuse(value, because: "is \(reason)")
            return nil
        }
    }
}

extension TOMLFormat where Value == String {
    /// Accepts text to which `objection` returns nil.
    static func text(
        _ expected: String, objection: @escaping @Sendable (String) -> String?
    ) -> TOMLFormat {
        TOMLFormat.string(expected) { text, value, complaints in
            guard let reason = objection(text) else { return text }
            complaints.refuse(value, because: reason)
            return nil
        }
    }

    /// Accepts text for lists and logs.
    static let line = text("one line of text without control characters") { text in
        text.unicodeScalars.contains { $0.properties.generalCategory == .control }
            ? "has control characters" : nil
    }

    /// Accepts an absolute path, and removes empty components and `.` from it, so that names can be
    /// appended and paths compared.
    static func absolutePath(lengthMax: Int) -> TOMLFormat {
        text("an absolute path of at most \(lengthMax) bytes") { text in
            if text.utf8.first != UInt8(ascii: "/") { return "is not absolute" }
            if text.utf8.contains(0) { return "has a NUL byte" }
            if components(of: text).contains("..") { return "has a component \"..\"" }
            if components(of: text).contains(where: { $0.utf8.count > nameMax }) {
                return "has a component of more than \(nameMax) bytes"
            }
            return text.utf8.count > lengthMax ? "is too long" : nil
        }.map { text in
            "/" + components(of: text).filter { $0 != "." }.joined(separator: "/")
        }
    }

    /// NAME_MAX of limits.h.
    private static let nameMax = 255

    /// Splits by bytes: as a `Character`, a slash followed by a combining accent is not a slash.
    private static func components(of path: String) -> [Substring] {
        path.utf8.split(separator: UInt8(ascii: "/")).map { Substring($0) }
    }
}

extension TOMLComplaints {
    /// Reads a quantity: a plain number, or text with units. Complains and returns nil for others.
    fileprivate mutating func quantity<Quantity>(
        _ value: TOMLValue, plain: (Int64) -> Quantity,
        parsing: (String) throws(QuantityScanner.Malformed) -> Quantity
    ) -> Quantity? {
        switch value.content {
        case .integer(let number): return plain(number)
        case .string(let text):
            do throws(QuantityScanner.Malformed) {
                return try parsing(text)
            } catch {
                refuse(value, because: error.reason)
            }
        default: refuse(value)
        }
        return nil
    }
}
