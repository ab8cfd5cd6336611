// SPDX-License-Identifier: GPL-3.0-or-later

/// What is said of a transaction.
extension Transaction {
    /// Whether `rollback` was run and did not succeed.
    var hasRollbackFailed: Bool {
        outcomes.contains { $0.script == .rollback && !$0.outcome.isGood }
    }

    /// The last output of the scripts, and the consequences.
    var account: [String] {
        var lines: [String] = []
        for (script, outcome) in outcomes where !outcome.lines.isEmpty {
            lines.append("'\(script.rawValue)' said last:")
            lines += outcome.lines.map { "    \($0)" }
        }
        if let failed = outcomes.last(where: { $0.script == .rollback && !$0.outcome.isGood }) {
            lines.append("'rollback' \(failed.outcome.story)")
        }
        if let keptAside {
            lines.append(
                "what 'install' did has not been undone, or not completely: the module's files are "
                    + "kept in \(keptAside); undo the rest by hand, then remove them")
        }
        return lines + warnings
    }
}
