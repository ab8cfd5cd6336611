// SPDX-License-Identifier: GPL-3.0-or-later

// The formats of a manifest's keys, where they are not common to all files.

extension TOMLFormat where Value == Manifest.Interval {
    static let interval = TOMLFormat<Duration>.span(.shortest ... .longest)
        .map { Manifest.Interval.every($0) }
        .or("off", .off)
}

extension TOMLFormat where Value == Manifest.Cooldown {
    static let cooldown = TOMLFormat<Duration>.span(.zero ... .longest)
        .map { Manifest.Cooldown.fixed($0) }
        .or("auto", .auto)
}

extension TOMLFormat where Value == Manifest.Limit? {
    private static let countMax = 10_000

    static let limit = TOMLFormat.string(
        "a number up to \(countMax) and a time span, such as \"30/1min\""
    ) { text, value, complaints in
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            complaints.refuse(value, because: "does not consist of two parts separated by a slash")
            return nil
        }
        guard let count = Int(parts[0]), (1...countMax).contains(count) else {
            complaints.refuse(value, because: "has no count from 1 to \(countMax)")
            return nil
        }
        do throws(QuantityScanner.Malformed) {
            let window = try TimeSpan(parsing: String(parts[1])).duration
            if (Duration.shortest ... .longest).contains(window) {
                return .some(.some(Manifest.Limit(count: count, window: window)))
            }
            let bounds = "\(TimeSpan(.shortest)) to \(TimeSpan(.longest))"
            complaints.refuse(value, because: "has a time span that is not from \(bounds)")
        } catch {
            complaints.refuse(value, because: "has a time span that \(error.reason)")
        }
        return nil
    }.or("off", nil)
}

extension TOMLFormat where Value == Set<UInt8> {
    /// A list of distinct exit codes, which may be empty.
    static let exitCodes = TOMLFormat<[UInt8]>.list(
        "a list of exit codes from 0 to 255, such as [0, 3]"
    ) { item, complaints in
        if case .integer(let number) = item.content, let code = UInt8(exactly: number) {
            return code
        }
        complaints.refuse(item, because: "is not an exit code")
        return nil
    }.map { Set($0) }
}

extension TOMLFormat where Value == [String: String] {
    /// Linux refuses to execute a program with a longer variable, counting its name, `=` and NUL
    /// (MAX_ARG_STRLEN, execve(2)).
    private static let variableMax = 128 << 10

    static let environment = TOMLFormat(
        expected: "a table of strings, such as { LIMIT = \"20\" }"
    ) { value, complaints in
        guard case .table(let table) = value.content else {
            complaints.refuse(value)
            return nil
        }
        var variables: [String: String] = [:]
        let path = complaints.key
        complaints.expected = { "a string in quotes, without NUL bytes" }
        for entry in table.entries {
            complaints.key = "\(path).\(entry.key)"
            if let objection = objection(toName: entry.key) {
                complaints.add(
                    "\(QuotedText.single(complaints.key)) \(objection)", at: entry.position)
            }
            guard case .string(let text) = entry.value.content else {
                complaints.refuse(entry.value)
                continue
            }
            if text.utf8.contains(0) {
                complaints.refuse(entry.value, because: "has a NUL byte")
            } else if entry.key.utf8.count + text.utf8.count + 2 > variableMax {
                complaints.refuse(
                    entry.value, because: "is longer than what may be passed to a program")
            } else if objection(toName: entry.key) == nil {
                variables[entry.key] = text
            }
        }
        return variables.count == table.entries.count ? variables : nil
    }

    private static func objection(toName name: String) -> String? {
        let isName =
            name.utf8.first.map { !isDigit($0) } ?? false
            && name.utf8.allSatisfy { isDigit($0) || isLetter($0) || $0 == UInt8(ascii: "_") }
        if !isName {
            return "is not a valid variable name; use letters, digits and '_', not a digit first"
        }
        let isDaemons = name.hasPrefix("CRD_") || ServiceVariable.isOne(name)
        return isDaemons ? "is reserved; choose another name" : nil
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
}

extension TOMLFormat where Value == String {
    /// Accepts a user's name or number as text, without checking whether the user exists.
    static let user = text("a user's name in quotes, such as \"nobody\"") { text in
        if text.isEmpty { return "is empty" }
        let isPlain = text.utf8.allSatisfy {
            $0 > UInt8(ascii: " ") && !":/\u{7F}".utf8.contains($0)
        }
        if !isPlain { return "is not a user name" }
        return text.utf8.count > 256 ? "is too long" : nil
    }
}

extension TOMLFormat where Value == [ModuleName] {
    static let moduleNames = TOMLFormat<[ModuleName]>.list(
        "a list of names of support modules, such as [\"webhook\"]"
    ) { item, complaints in
        if case .string(let text) = item.content, let name = ModuleName(text) { return name }
        complaints.refuse(item, because: "is not a module name")
        return nil
    }
}
