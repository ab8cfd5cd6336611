// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// journald's socket. sd_journal_sendv(3) would block the daemon while journald does not read.
struct JournalSocket: LogDestination {
    private var socket: DatagramSocket

    init(address: String = Journald.socket) {
        socket = DatagramSocket(address)
    }

    var file: SharedDescriptor? { socket.file }

    mutating func write(_ bytes: ArraySlice<UInt8>) -> LogWriteResult {
        var result = socket.send(bytes)
        if result == .tooLong {
            // journald accepts only a file that nobody can change while it is read.
            guard let file = try? MemoryFile(name: "crd-journal-entry", Array(bytes)) else {
                return .impossible
            }
            result = socket.send(file)
        }
        return switch result {
        case .sent: .wrote(bytes.count)
        case .full: .full
        case .tooLong: .impossible
        case .unreachable: .unreachable
        }
    }

    static func notice(dropped: Int) -> [UInt8] {
        var entry = JournalDatagram()
        entry.append(
            "MESSAGE",
            "dropped \(CountedNoun(dropped, "line")) that journald did not read in time")
        entry.append("PRIORITY", "\(LogPriority.warning.rawValue)")
        entry.append("SYSLOG_IDENTIFIER", "crd")
        return entry.bytes
    }
}
