// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// An entry with fields that only journald can set, and of any time.
struct ForgedEntry {
    var fields: [JournalSocket.Field]
    var time: Date
    /// By how many seconds the clock had been set back before.
    var setBack: TimeInterval

    init(
        _ fields: KeyValuePairs<String, String>, at time: Date = .now, setBack: TimeInterval = 0
    ) {
        self.fields = fields.map { ($0.key, Array($0.value.utf8)) }
        self.time = time
        self.setBack = setBack
    }

    /// In the journal's export format (https://systemd.io/JOURNAL_EXPORT_FORMATS/).
    func exported() -> [UInt8] {
        let microseconds = Int(time.timeIntervalSince1970 * 1e6)
        let age = Int((Date.now.timeIntervalSince1970 - setBack) * 1e6) - microseconds
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let uptime = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000 - age
        var bytes = Array("__REALTIME_TIMESTAMP=\(microseconds)\n".utf8)
        bytes += Array("__MONOTONIC_TIMESTAMP=\(uptime > 0 ? uptime : microseconds)\n".utf8)
        bytes += Array("_BOOT_ID=\(uptime > 0 ? Self.bootID : Self.formerBootID)\n".utf8)
        for (name, value) in fields {
            bytes += Array("\(name)\n".utf8)
            withUnsafeBytes(of: UInt64(value.count).littleEndian) { bytes += $0 }
            bytes += value + [UInt8(ascii: "\n")]
        }
        return bytes + [UInt8(ascii: "\n")]
    }

    private static let bootID: String = {
        let file = "/proc/sys/kernel/random/boot_id"
        let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
        return text.filter(\.isHexDigit)
    }()
    /// For entries of an earlier boot.
    private static let formerBootID = "0123456789abcdef0123456789abcdef"
}
