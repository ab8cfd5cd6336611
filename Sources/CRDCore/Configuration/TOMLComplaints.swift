// SPDX-License-Identifier: GPL-3.0-or-later

/// What was found wrong in one file, and the wording all complaints share.
struct TOMLComplaints {
    let file: String
    /// The dotted path of the key being read, and what it accepts.
    var key = ""
    var expected: () -> String = { "" }
    /// Each with the place among the others at which it is shown.
    private var found: [(place: SourcePosition, isConsequence: Bool, diagnostic: Diagnostic)] = []

    init(file: String) {
        self.file = file
    }

    /// In the order of the source, but what explains a complaint before that.
    var diagnostics: [Diagnostic] {
        found.sorted {
            ($0.place, $0.isConsequence ? 1 : 0, $0.diagnostic.message)
                < ($1.place, $1.isConsequence ? 1 : 0, $1.diagnostic.message)
        }.map(\.diagnostic)
    }

    var errorCount: Int { found.count { $0.diagnostic.severity == .error } }

    /// - Parameter cause: where something stands that explains this complaint.
    mutating func add(
        _ message: String, at position: SourcePosition, explainedAt cause: SourcePosition? = nil
    ) {
        let place = cause.map { max($0, position) } ?? position
        let diagnostic = Diagnostic(file: file, position: position, message: message)
        found.append((place, cause != nil, diagnostic))
    }

    /// The value is accepted, but hardly means what its author thinks.
    mutating func warn(_ message: String, at position: SourcePosition) {
        let warning = Diagnostic(.warning, file: file, position: position, message: message)
        found.append((position, false, warning))
    }

    /// The value is of another kind than the key takes.
    mutating func refuse(_ value: TOMLValue) {
        add(
            "\(QuotedText.single(key)) must be \(expected()), not \(value.kind)", at: value.position
        )
    }

    /// The value is of the right kind, but `reason`.
    mutating func refuse(_ value: TOMLValue, because reason: String) {
        add(
            "\(QuotedText.single(key)): \(shown(value)) \(reason); it must be \(expected())",
            at: value.position)
    }

    /// The value is a word, but none of those `known`.
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
