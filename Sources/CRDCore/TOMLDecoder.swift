// SPDX-License-Identifier: GPL-3.0-or-later

/// Reads the keys of a table one by one, and at the end complains about those nobody asked for.
///
/// Nothing is given up at the first fault: whoever mends a file wants to see all of them.
struct TOMLDecoder {
    private let table: TOMLTable
    /// Of the table, with a dot at its end; empty for the root.
    private let path: String
    private var known: [String] = []
    private var complaints: TOMLComplaints

    init(_ root: TOMLTable, file: String) {
        self.init(root, path: "", complaints: TOMLComplaints(file: file))
    }

    private init(_ table: TOMLTable, path: String, complaints: TOMLComplaints) {
        self.table = table
        self.path = path
        self.complaints = complaints
    }

    /// Leaves `target` as it is where the key is missing or its value wrong.
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

    /// A table in this one.
    mutating func readTable(_ key: String, _ body: (inout TOMLDecoder) -> Void) {
        known.append(key)
        guard let value = table[key]?.value else { return }
        guard case .table(let inner) = value.content else {
            complaints.key = path + key
            complaints.expected = { [path] in "a table, as begun by [\(path)\(key)]" }
            complaints.refuse(value)
            return
        }
        var decoder = TOMLDecoder(inner, path: "\(path)\(key).", complaints: complaints)
        body(&decoder)
        decoder.complainAboutUnknownKeys()
        complaints = decoder.complaints
    }

    /// For what concerns several keys: where the value of `key` stands, if it is there.
    func position(of key: String) -> SourcePosition? { table[key]?.value.position }

    mutating func complain(_ message: String, at position: SourcePosition) {
        complaints.add(message, at: position)
    }

    /// Every complaint, in the order of the source. To be called when all keys were read.
    consuming func finish() -> [Diagnostic] {
        complainAboutUnknownKeys()
        return complaints.diagnostics
    }

    private mutating func read<Value>(_ key: String, _ format: TOMLFormat<Value>) -> Value? {
        known.append(key)
        guard let value = table[key]?.value else { return nil }
        complaints.key = path + key
        complaints.expected = format.expected
        return format.read(value, &complaints)
    }

    private mutating func complainAboutUnknownKeys() {
        for entry in table.entries where !known.contains(entry.key) {
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
