// SPDX-License-Identifier: GPL-3.0-or-later

// The formats of the keys of a manifest's triggers.

extension TOMLFormat where Value == PathEvents {
    static let pathEvents = TOMLFormat<[PathEvents]>.list(
        "a list of events by inotifywait's names, such as [\"create\", \"close_write\"]"
    ) { item, complaints in
        let known = PathEvents.names + PathEvents.collectiveNames
        guard case .string(let name) = item.content else {
            complaints.refuse(item, because: "is not an event name")
            return nil
        }
        if let found = known.first(where: { $0.name == name }) { return found.event }
        complaints.refuse(item, known: known.map(\.name))
        return nil
    }.nonEmpty().map { PathEvents($0) }
}

extension TOMLFormat where Value == [Glob] {
    static let globs = TOMLFormat.list("a list of patterns for names, such as [\"*.log\"]") {
        item, complaints in
        guard case .string(let pattern) = item.content else {
            complaints.refuse(item, because: "is not a pattern")
            return nil
        }
        do throws(Glob.Malformed) {
            return try Glob(parsing: pattern)
        } catch {
            complaints.refuse(item, because: error.reason)
            return nil
        }
    }.atMost(256)
}

extension TOMLFormat where Value == TriggerSignal {
    static let signal = TOMLFormat.string(
        "\"USR1\", \"USR2\", or a real-time signal from \"RTMIN+0\" to \"RTMAX-0\""
    ) { name, value, complaints in
        do throws(TriggerSignal.Refused) {
            return try TriggerSignal(parsing: name)
        } catch {
            complaints.refuse(value, because: error.reason)
            return nil
        }
    }
}

extension TOMLFormat where Value == String {
    static let journalField = TOMLFormat.string("a journal field's name, such as \"MESSAGE\"") {
        name, value, complaints in
        guard let objection = JournalFieldRule.objection(to: name) else {
            complaints.warn(aboutField: name, at: value.position)
            return name
        }
        complaints.add(
            "\(QuotedText.single(complaints.key)): \(QuotedText.double(name)) \(objection)",
            at: value.position)
        return nil
    }
}

extension TOMLFormat where Value == [JournalTrigger.Match] {
    /// How many fields a match may have, and how many values in all: an entry is compared with them
    /// in one step, and may have a thousand fields itself (G15).
    private static let fieldsMax = 32
    private static let valuesMax = 1_000

    static let journalMatches = TOMLFormat(
        expected: "a table of fields and their values, such as { PRIORITY = [\"0\", \"1\"] }"
    ) { value, complaints in
        guard case .table(let table) = value.content else {
            complaints.refuse(value)
            return nil
        }
        let (path, expected) = (complaints.key, complaints.expected)
        var matches: [JournalTrigger.Match] = []
        for entry in table.entries {
            complaints.key = "\(path).\(entry.key)"
            complaints.expected = { "a string in quotes, or a list of strings" }
            let objection = JournalFieldRule.objection(to: entry.key)
            if let objection {
                complaints.add(
                    "\(QuotedText.single(complaints.key)) \(objection)", at: entry.position)
            } else if let warning = JournalFieldRule.warning(about: entry.key) {
                complaints.warn(
                    "\(QuotedText.single(complaints.key)) \(warning)", at: entry.position)
            }
            let values = strings(entry.value, &complaints)
            if objection == nil, let values {
                complaints.warn(about: entry.value, of: entry.key)
                matches.append(JournalTrigger.Match(field: entry.key, values: values))
            }
        }
        (complaints.key, complaints.expected) = (path, expected)
        if let objection = objection(to: matches, table) {
            complaints.refuse(value, because: objection)
            return nil
        }
        return matches.count == table.entries.count ? matches : nil
    }

    private static func objection(
        to matches: [JournalTrigger.Match], _ table: TOMLTable
    ) -> String? {
        if table.entries.isEmpty { return "is empty" }
        if table.entries.count > fieldsMax { return "has more than \(fieldsMax) fields" }
        let values = matches.reduce(0) { $0 + $1.values.count }
        return values > valuesMax ? "has more than \(valuesMax) values" : nil
    }

    /// Returns one string, or several without duplicates.
    private static func strings(
        _ value: TOMLValue, _ complaints: inout TOMLComplaints
    ) -> [String]? {
        switch value.content {
        case .string(let text): return [text]
        case .array([]):
            complaints.refuse(value, because: "is empty")
            return nil
        case .array(let items):
            var strings: [String] = []
            var known: Set<String> = []
            for item in items {
                guard case .string(let text) = item.content else {
                    complaints.refuse(item)
                    return nil
                }
                if known.insert(text).inserted { strings.append(text) }
            }
            return strings
        default:
            complaints.refuse(value)
            return nil
        }
    }
}

extension TOMLFormat where Value == [UnitPattern] {
    static let units = TOMLFormat(
        expected: "a unit's name or glob, such as \"nginx\" or \"worker@*\", or a list of them"
    ) { value, complaints in
        var units: [UnitPattern] = []
        let items = value.items
        for item in items {
            guard case .string(let text) = item.content else {
                complaints.refuse(item)
                continue
            }
            do throws(UnitPattern.Malformed) {
                let unit = try UnitPattern(parsing: text)
                complaints.warn(about: unit, at: item.position)
                units.append(unit)
            } catch {
                complaints.refuse(item, because: error.reason)
            }
        }
        if items.isEmpty { complaints.refuse(value, because: "is empty") }
        return units.isEmpty || units.count < items.count ? nil : units
    }
}

extension TOMLFormat where Value == [String] {
    static let identifiers = TOMLFormat(
        expected: "a string such as \"sshd\", or a list of strings"
    ) { value, complaints in
        let items = value.items
        let texts = items.compactMap { item -> String? in
            guard case .string(let text) = item.content else {
                complaints.refuse(item)
                return nil
            }
            if !text.isEmpty { return text }
            complaints.refuse(item, because: "is empty")
            return nil
        }
        if items.isEmpty { complaints.refuse(value, because: "is empty") }
        return texts.isEmpty || texts.count < items.count ? nil : texts
    }

    /// Accepts a range of priorities and lists them by number. A single priority stands for all
    /// that are at least as severe.
    static let priorities = TOMLFormat(
        expected: "\"emerg\", \"alert\", \"crit\", \"err\", \"warning\", \"notice\", \"info\", "
            + "\"debug\", a number from 0 to 7, or a range such as \"warning..err\""
    ) { value, complaints in
        let ends: [LogPriority?]
        switch value.content {
        case .integer(let number): ends = [.emergency, LogPriority(number: number)]
        case .string(let text):
            let parts = text.components(around: "..").map { LogPriority(named: $0) }
            ends = parts.count == 1 ? [.emergency] + parts : parts
        default:
            complaints.refuse(value)
            return nil
        }
        let known = ends.compactMap { $0?.rawValue }.sorted()
        guard known.count == 2, ends.count == 2 else {
            complaints.refuse(value, because: "is not a priority")
            return nil
        }
        return (known[0]...known[1]).map { "\($0)" }
    }
}

extension String {
    /// Returns the parts between the separators.
    fileprivate func components(around separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let place = rest.firstRange(of: separator) {
            parts.append(String(rest[..<place.lowerBound]))
            rest = rest[place.upperBound...]
        }
        return parts + [String(rest)]
    }
}

extension TOMLValue {
    /// The items of a list; any other value as the only item.
    fileprivate var items: [TOMLValue] {
        if case .array(let items) = content { items } else { [self] }
    }
}

extension TOMLFormat where Value == JournalTrigger.Key {
    /// Accepts the name of a field, or that of a group of the pattern.
    ///
    /// - Parameter captures: the names of the pattern's groups.
    static func journalKey(_ captures: [String]) -> TOMLFormat {
        let groups = captures.isEmpty ? "" : " (\(captures.joined(separator: ", ")))"
        return TOMLFormat.string("a field's name, or that of a named group of the pattern\(groups)")
        { name, value, complaints in
            if captures.contains(name) { return .capture(name) }
            if JournalFieldRule.objection(to: name) == nil {
                complaints.warn(aboutField: name, at: value.position)
                return .field(name)
            }
            complaints.refuse(value, because: "names neither a field nor a group")
            return nil
        }
    }
}

extension TOMLComplaints {
    fileprivate mutating func warn(aboutField name: String, at position: SourcePosition) {
        guard let warning = JournalFieldRule.warning(about: name) else { return }
        warn("\(QuotedText.single(key)): '\(name)' \(warning)", at: position)
    }

    fileprivate mutating func warn(about unit: UnitPattern, at position: SourcePosition) {
        guard !unit.isGlob, UnitName.isTemplate(unit.text) else { return }
        warn(
            "\(QuotedText.single(key)): \(QuotedText.double(unit.text)) can match no entry, since a "
                + "template does not run, its instances do; write "
                + QuotedText.double(UnitName.instances(of: unit.text)), at: position)
    }

    /// Warns about accepted values that no journal entry can have.
    fileprivate mutating func warn(about value: TOMLValue, of field: String) {
        switch value.content {
        case .string(let text):
            guard let objection = JournalAdvice.objection(to: text, of: field) else { return }
            warn(
                "\(QuotedText.single(key)): \(QuotedText.double(text)) can match no entry, since "
                    + objection, at: value.position)
        case .array(let items): for item in items { warn(about: item, of: field) }
        default: break
        }
    }
}
