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
            self.value = PrintableText.of(value)
        }
    }

    private let isJournal: Bool
    let channel: LogChannel

    /// Looks where standard error leads.
    public init() {
        isJournal = Journal.isStandardError
        channel = isJournal ? .journal() : .standardError()
    }

    /// Writes text to a descriptor, whatever it is.
    init(to descriptor: CInt) {
        isJournal = false
        channel = .standardError(descriptor)
    }

    /// Writes what the reader had no room for until now, since the program ends.
    public func finish() { channel.finish() }

    /// Writes one line of the daemon's own. Whatever it quotes cannot make another line of it, nor
    /// command the terminal that it is read on.
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

    /// Writes one line that a module printed, with the priority it begins with, if it does.
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
