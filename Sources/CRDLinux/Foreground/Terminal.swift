// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import SystemPackage

/// The terminal of this process.
public enum Terminal {
    /// Whether a program that takes our place could reach a terminal: by its standard descriptors
    /// (isatty(3)), or as the controlling terminal of our session (tty(4)).
    public static var isReachable: Bool {
        if (STDIN_FILENO...STDERR_FILENO).contains(where: { isatty($0) == 1 }) { return true }
        do throws(SystemCallError) {
            _ = try Descriptor.open("/dev/tty", O_RDWR | O_NOCTTY)
            return true
        } catch {
            return false
        }
    }
}
