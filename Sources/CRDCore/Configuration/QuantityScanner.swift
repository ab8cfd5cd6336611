// SPDX-License-Identifier: GPL-3.0-or-later

/// Parses quantities such as `1.5h` and `20 MiB`: a decimal number, blanks, a unit.
struct QuantityScanner {
    enum Malformed: Error, Equatable {
        /// There is no number where one must be.
        case noNumber
        case negative
        case unknownUnit(String)
        case tooLarge
        case empty

        /// The end of a complaint, after the quoted text.
        var reason: String {
            switch self {
            case .noNumber: "is not a number followed by a unit"
            case .negative: "is negative"
            case .unknownUnit(let unit): "has the unknown unit \(QuotedText.single(unit))"
            case .tooLarge: "is too large"
            case .empty: "is empty"
            }
        }
    }

    private var rest: Substring.UnicodeScalarView

    init(_ text: String) {
        rest = Substring(text).unicodeScalars
        skipBlanks()
    }

    var isAtEnd: Bool { rest.isEmpty }

    /// Returns the next number times its unit, rounded down.
    ///
    /// - Parameter size: returns the size of a unit; the unit is empty where none is written.
    mutating func next(size: (String) -> Int64?) throws(Malformed) -> Int64 {
        if rest.isEmpty { throw .empty }
        if rest.first == "-" { throw .negative }
        let whole = digits()
        guard !whole.isEmpty else { throw .noNumber }
        var fraction: [Int64] = []
        if rest.first == "." {
            rest.removeFirst()
            fraction = digits()
            guard !fraction.isEmpty else { throw .noNumber }
        }
        skipBlanks()
        let unit = unit()
        guard let size = size(unit) else { throw .unknownUnit(unit) }

        var total: Int64 = 0
        for digit in whole { total = try Self.sum(Self.product(total, 10), digit) }
        total = try Self.product(total, size)
        total = try Self.sum(total, Self.share(fraction, of: size))
        skipBlanks()
        return total
    }

    /// Returns the fraction of `size` that the digits after the point make. Digits beyond the
    /// eighteenth are ignored: they make no difference, and the power of ten would not fit.
    private static func share(_ digits: [Int64], of size: Int64) -> Int64 {
        var (numerator, denominator): (Int64, Int64) = (0, 1)
        for digit in digits.prefix(18) {
            numerator = numerator * 10 + digit
            denominator *= 10
        }
        return denominator.dividingFullWidth(size.multipliedFullWidth(by: numerator)).quotient
    }

    static func sum(_ left: Int64, _ right: Int64) throws(Malformed) -> Int64 {
        let (value, overflow) = left.addingReportingOverflow(right)
        if overflow { throw .tooLarge }
        return value
    }

    private static func product(_ left: Int64, _ right: Int64) throws(Malformed) -> Int64 {
        let (value, overflow) = left.multipliedReportingOverflow(by: right)
        if overflow { throw .tooLarge }
        return value
    }

    private mutating func skipBlanks() {
        rest = rest.drop { $0 == " " || $0 == "\t" }[...]
    }

    private mutating func digits() -> [Int64] {
        let found = rest.prefix { ("0"..."9").contains($0) }
        rest = rest[found.endIndex...]
        return found.map { Int64($0.value - 48) }
    }

    /// Consumes everything up to the next number, so that a complaint can show the whole text that
    /// was meant as a unit.
    private mutating func unit() -> String {
        let found = rest.prefix {
            !(" \t-.".unicodeScalars.contains($0) || ("0"..."9").contains($0))
        }
        rest = rest[found.endIndex...]
        return String(found)
    }
}
