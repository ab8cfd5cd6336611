// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux

/// The destination of all log lines: the journal with fields if standard error leads there,
/// otherwise standard error as text.
public struct LogOutput: Sendable {
    /// A field of a journal entry, such as `CRD_MODULE`.
    public struct Field: Sendable {
        let name: String
        let value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = PrintableText.of(value)
        }
    }

    private let isJournal: Bool
    let channel: LogChannel

    /// Determines where standard error leads.
    public init() {
        isJournal = JournalStream.isStandardError
        channel = isJournal ? .journal() : .standardError()
    }

    /// Writes text to a descriptor of any kind.
    init(to descriptor: CInt) {
        isJournal = false
        channel = .standardError(descriptor)
    }

    /// Writes the lines that the reader had no room for until now, since the program ends.
    public func drain() { channel.drain() }

    /// Writes one line of the daemon's own. Quoted text in it can neither start another line nor
    /// send control sequences to a terminal.
    public func write(_ text: String, _ priority: LogPriority, _ fields: [Field]) {
        let text = PrintableText.of(text)
        guard !isJournal else {
            return sendToJournal("crd", text.utf8, priority, fields)
        }
        let label =
            switch priority {
            case .emergency, .alert, .critical, .error: "error: "
            case .warning: "warning: "
            case .notice, .info: ""
            case .debug: "debug: "
            }
        channel.write(Array("crd: \(label)\(text)\n".utf8))
    }

    /// Writes one line that a module printed, with the priority of its prefix if it has one.
    public func forward(_ line: [UInt8], from module: String, _ fields: [Field]) {
        var text = line
        let priority = LogPriority.strip(from: &text) ?? .info
        guard !isJournal else {
            return sendToJournal("crd.\(module)", text, priority, fields)
        }
        channel.write(
            Array("\(module): ".utf8) + PrintableText.of(line: text) + [UInt8(ascii: "\n")])
    }

    private func sendToJournal(
        _ identifier: String, _ text: some Collection<UInt8>, _ priority: LogPriority,
        _ fields: [Field]
    ) {
        var entry = JournalDatagram()
        entry.append("MESSAGE", text)
        entry.append("PRIORITY", "\(priority.rawValue)")
        entry.append("SYSLOG_IDENTIFIER", identifier)
        for field in fields { entry.append(field.name, field.value) }
        channel.write(entry.bytes)
    }
}
