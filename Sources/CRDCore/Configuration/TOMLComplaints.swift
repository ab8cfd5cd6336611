// SPDX-License-Identifier: GPL-3.0-or-later

/// The faults found in one file, and the wording that all complaints share.
struct TOMLComplaints {
    let file: String
    /// The dotted path of the key being read, and the values that it accepts.
    var key = ""
    var expected: () -> String = { "" }
    /// Each with the position by which it is sorted.
    private var found: [(place: SourcePosition, isConsequence: Bool, diagnostic: Diagnostic)] = []

    init(file: String) {
        self.file = file
    }

    /// All complaints in the order of the source, but a consequence follows its cause.
    var diagnostics: [Diagnostic] {
        found.sorted {
            ($0.place, $0.isConsequence ? 1 : 0, $0.diagnostic.message)
                < ($1.place, $1.isConsequence ? 1 : 0, $1.diagnostic.message)
        }.map(\.diagnostic)
    }

    var errorCount: Int { found.count { $0.diagnostic.severity == .error } }

    /// Adds an error.
    ///
    /// - Parameter cause: the position of a fault that explains this one.
    mutating func add(
        _ message: String, at position: SourcePosition, explainedAt cause: SourcePosition? = nil
    ) {
        let place = cause.map { max($0, position) } ?? position
        let diagnostic = Diagnostic(file: file, position: position, message: message)
        found.append((place, cause != nil, diagnostic))
    }

    /// Adds a warning about an accepted value that hardly means what its author thinks.
    mutating func warn(_ message: String, at position: SourcePosition) {
        let warning = Diagnostic(.warning, file: file, position: position, message: message)
        found.append((position, false, warning))
    }

    /// Refuses a value of a kind that the key does not accept.
    mutating func refuse(_ value: TOMLValue) {
        add(
            "\(QuotedText.single(key)) must be \(expected()), not \(value.kind)", at: value.position
        )
    }

    /// Refuses a value of the right kind; `reason` follows the value in the message.
    mutating func refuse(_ value: TOMLValue, because reason: String) {
        add(
            "\(QuotedText.single(key)): \(shown(value)) \(reason); it must be \(expected())",
            at: value.position)
    }

    /// Refuses a value that is not one of the words `known`.
    mutating func refuse(_ value: TOMLValue, known: [String]) {
        let nearest: String? =
            if case .string(let word) = value.content {
                Spelling.nearest(to: word, among: known)
            } else { nil }
        let advice =
            nearest.map { "did you mean \"\($0)\"?" }
            ?? "known here: \(known.joined(separator: ", "))"
        add("\(QuotedText.single(key)): \(shown(value)) is unknown; \(advice)", at: value.position)
    }

    private func shown(_ value: TOMLValue) -> String {
        switch value.content {
        case .string(let text): QuotedText.double(text)
        case .integer(let number): "\(number)"
        default: value.kind
        }
    }
}
