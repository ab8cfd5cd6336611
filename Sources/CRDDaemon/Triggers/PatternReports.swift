// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Logging

/// Logs that patterns were aborted for taking too long, or are not run for a while.
struct PatternReports {
    /// The minimum time between two log lines about aborted patterns.
    private static let period = Duration.seconds(60)

    private let logger: Logger
    /// How many lines counted as matches in sources that were closed.
    private var earlier = 0
    private var reported = 0
    private var reportedAt: Instant?

    init(_ logger: Logger) { self.logger = logger }

    /// How many lines counted as matches because a pattern exceeded a limit, in all.
    func exceeded(with source: JournalSource?) -> Int { earlier + (source?.exceeded.count ?? 0) }

    /// Keeps the count of a source that is being closed.
    mutating func keepCount(of source: JournalSource) { earlier += source.exceeded.count }

    /// - Parameter name: returns a module's name.
    mutating func report(from source: JournalSource, _ name: (ModuleID) -> String) {
        for suspension in source.takeSuspensions() { log(suspension, name) }
        let exceeded = exceeded(with: source)
        guard exceeded > reported, let module = source.exceeded.module else { return }
        let now = Clock.now
        if let last = reportedAt, last + Self.period > now { return }
        reported = exceeded
        reportedAt = now
        let (event, remedy) = Self.story(of: source.exceeded.outcome)
        logger.warning(
            "\(name(module)): the pattern \(source.exceeded.pattern.prefix(200)) \(event) (\(CountedNoun(exceeded, "such line")) so far); such a line counts as a match; \(remedy)",
            metadata: ["module": "\(name(module))"])
    }

    private static func story(of outcome: Pattern.Outcome) -> (event: String, remedy: String) {
        guard case .exceeded(let reason) = outcome else {
            return (
                "was matched against the first \(ByteSize(Pattern.subjectMax)) of a longer line of the journal",
                "have the check examine the rest of it"
            )
        }
        return ("was aborted at its limit for a line of the journal: \(reason)", remedy)
    }

    private static let remedy =
        "rewrite the pattern so that it does not try the same text in many ways"

    private func log(_ suspension: JournalSource.Suspension, _ name: (ModuleID) -> String) {
        let names = Set(suspension.modules.map(name)).sorted()
        let shown = names.prefix(3).joined(separator: ", ")
        let more = names.count > 3 ? " and \(names.count - 3) more" : ""
        logger.warning(
            "\(shown)\(more): the pattern \(suspension.pattern.prefix(200)) \(suspension.cause), delaying other triggers; it is not run for \(TimeSpan(PatternAllowance.period)), and its lines count as matches meanwhile; \(Self.remedy)",
            metadata: ["module": "\(names.first ?? "")"])
    }
}
