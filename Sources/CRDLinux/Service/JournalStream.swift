// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc

/// A stream into the journal, which the service manager gives to a service (systemd.exec(5)).
public enum JournalStream {
    /// Whether standard error leads to the journal: `JOURNAL_STREAM` gives the device and inode of
    /// the stream that the service manager made. Standard error may have been redirected since.
    public static var isStandardError: Bool {
        guard let value = getenv("JOURNAL_STREAM"), let status = FileStatus(of: 2) else {
            return false
        }
        return String(cString: value) == "\(status.device):\(status.inode)"
    }
}
