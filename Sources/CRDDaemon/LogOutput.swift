// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux

/// Where all lines go: the journal with fields where standard error leads there, else standard
/// error as text.
public struct LogOutput: Sendable {
    /// A field of a journal entry: `CRD_MODULE` and its like.
    public struct Field: Sendable {
        let name: String
        let value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    private let isJournal: Bool
    private let standardError = StandardErrorStream()

    /// Looks where standard error leads.
    public init() {
        isJournal = Journal.isStandardError
    }

    /// Writes one line of the daemon's own.
    public func write(_ text: String, _ priority: LogPriority, _ fields: [Field]) {
        guard !isJournal else {
            return sendToJournal("crd", Array(text.utf8), priority, fields)
        }
        let label =
            switch priority {
            case .emergency, .alert, .critical, .error: "error: "
            case .warning: "warning: "
            case .notice, .info: ""
            case .debug: "debug: "
            }
        standardError.write(Array("crd: \(label)\(text)\n".utf8))
    }

    /// Writes one line that a module printed, with the priority it begins with, if it does.
    public func forward(_ line: [UInt8], from module: String, _ fields: [Field]) {
        var text = line
        let priority = LogPriority.strip(from: &text) ?? .info
        guard !isJournal else {
            return sendToJournal("crd.\(module)", text, priority, fields)
        }
        standardError.write(Array("\(module): ".utf8) + text + [UInt8(ascii: "\n")])
    }

    private func sendToJournal(
        _ identifier: String, _ text: [UInt8], _ priority: LogPriority, _ fields: [Field]
    ) {
        var entry = [
            Array("MESSAGE=".utf8) + text, Array("PRIORITY=\(priority.rawValue)".utf8),
            Array("SYSLOG_IDENTIFIER=\(identifier)".utf8),
        ]
        for field in fields { entry.append(Array("\(field.name)=\(field.value)".utf8)) }
        // A journal that takes nothing cannot be told so; what it must not do is stop the daemon.
        try? Journal.send(entry)
    }
}
