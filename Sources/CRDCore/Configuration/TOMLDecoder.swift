// SPDX-License-Identifier: GPL-3.0-or-later

/// Reads the keys of a table one by one, and finally complains about unknown keys.
///
/// It does not stop at the first fault: the author wants to see all of them.
struct TOMLDecoder {
    private let table: TOMLTable
    /// The dotted path of the table with a trailing dot; empty for the root.
    private let path: String
    /// The position at which the table begins.
    private let start: SourcePosition
    private var known: [String] = []
    private var complaints: TOMLComplaints
    /// Complaints about missing keys. An unknown key may explain one, which is known only when all
    /// keys were read.
    private var lacks: [(message: String, position: SourcePosition)] = []

    init(_ root: TOMLTable, file: String) {
        self.init(root, path: "", start: .start, complaints: TOMLComplaints(file: file))
    }

    private init(
        _ table: TOMLTable, path: String, start: SourcePosition, complaints: TOMLComplaints
    ) {
        self.table = table
        self.path = path
        self.start = start
        self.complaints = complaints
    }

    /// Reads a key; leaves `target` as it is if the key is missing or its value is wrong.
    mutating func read<Value>(
        _ key: String, _ format: TOMLFormat<Value>, into target: inout Value
    ) {
        if let value = read(key, format) { target = value }
    }

    mutating func read<Value>(
        _ key: String, _ format: TOMLFormat<Value>, into target: inout Value?
    ) {
        if let value = read(key, format) { target = value }
    }

    /// Reads a required key; nil if it is missing or its value is wrong.
    mutating func require<Value>(_ key: String, _ format: TOMLFormat<Value>) -> Value? {
        if table[key] == nil {
            complainOfLack(
                "\(QuotedText.single(path + key)) is missing; it must be \(format.expected())")
        }
        return read(key, format)
    }

    /// Reads a table inside this one.
    mutating func readTable(_ key: String, _ body: (inout TOMLDecoder) -> Void) {
        known.append(key)
        guard let value = table[key]?.value else { return }
        guard case .table(let inner) = value.content else {
            return refuse(value, of: key, expecting: "a table, as begun by [\(path)\(key)]")
        }
        read(inner, of: key, at: value.position, body)
    }

    /// Reads any number of tables that begin with the key in double brackets; calls `body` for
    /// each.
    mutating func readTables(_ key: String, _ body: (inout TOMLDecoder) -> Void) {
        known.append(key)
        guard let value = table[key]?.value else { return }
        guard case .array(let items) = value.content else {
            return refuse(value, of: key, expecting: "tables, each begun by [[\(path)\(key)]]")
        }
        guard items.count <= Self.tablesMax else {
            return refuse(value, of: key, expecting: "at most \(Self.tablesMax) tables")
        }
        for item in items {
            if case .table(let inner) = item.content {
                read(inner, of: key, at: item.position, body)
            } else {
                refuse(item, of: key, expecting: "a table, as begun by [[\(path)\(key)]]")
            }
        }
    }

    /// What a manifest may ask of the daemon has a bound: its author may be a stranger.
    static let tablesMax = 256

    private mutating func read(
        _ inner: TOMLTable, of key: String, at start: SourcePosition,
        _ body: (inout TOMLDecoder) -> Void
    ) {
        var decoder = TOMLDecoder(
            inner, path: "\(path)\(key).", start: start, complaints: complaints)
        body(&decoder)
        decoder.complainAboutKeys()
        complaints = decoder.complaints
    }

    private mutating func refuse(_ value: TOMLValue, of key: String, expecting expected: String) {
        complaints.key = path + key
        complaints.expected = { expected }
        complaints.refuse(value)
    }

    /// Returns the position of the value of `key`, if it exists, for complaints about several keys.
    func position(of key: String) -> SourcePosition? { table[key]?.value.position }

    mutating func complain(_ message: String, at position: SourcePosition) {
        complaints.add(message, at: position)
    }

    /// Complains about the table as a whole.
    mutating func complain(_ message: String) {
        complaints.add(message, at: start)
    }

    /// Warns about an accepted value that hardly means what its author thinks.
    mutating func warn(_ message: String, at position: SourcePosition) {
        complaints.warn(message, at: position)
    }

    /// Complains that something is missing in the table.
    ///
    /// - Parameter position: nil if the complaint concerns the table as a whole.
    mutating func complainOfLack(_ message: String, at position: SourcePosition? = nil) {
        lacks.append((message, position ?? start))
    }

    /// How many errors have been found so far.
    var faultCount: Int { complaints.errorCount + lacks.count }

    /// Returns all complaints, warnings included, in the order of the source. Call it when all keys
    /// were read.
    consuming func diagnostics() -> [Diagnostic] {
        complainAboutKeys()
        return complaints.diagnostics
    }

    private mutating func read<Value>(_ key: String, _ format: TOMLFormat<Value>) -> Value? {
        known.append(key)
        guard let value = table[key]?.value else { return nil }
        complaints.key = path + key
        complaints.expected = format.expected
        return format.read(value, &complaints)
    }

    private mutating func complainAboutKeys() {
        let unknown = table.entries.filter { !known.contains($0.key) }
        let cause = unknown.map(\.position).min()
        for lack in lacks {
            complaints.add(lack.message, at: lack.position, explainedAt: cause)
        }
        for entry in unknown {
            let advice =
                if let nearest = Spelling.nearest(to: entry.key, among: known) {
                    "did you mean '\(path)\(nearest)'?"
                } else {
                    "known here: \(known.joined(separator: ", "))"
                }
            complaints.add(
                "unknown key \(QuotedText.single(path + entry.key)); \(advice)", at: entry.position)
        }
    }
}
