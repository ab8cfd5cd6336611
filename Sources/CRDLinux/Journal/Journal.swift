// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc

/// How the daemon's own log reaches the journal.
public enum Journal {
    /// Whether standard error leads to the journal: `JOURNAL_STREAM` gives the device and inode of
    /// the stream that the service manager made. Standard error may have been redirected since.
    public static var isStandardError: Bool {
        guard let value = getenv("JOURNAL_STREAM"), let status = FileStatus(of: 2) else {
            return false
        }
        return String(cString: value) == "\(status.device):\(status.inode)"
    }
}
