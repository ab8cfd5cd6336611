// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux

/// Memory that this process has, and does not use any more.
public enum MallocTrim {
    /// Gives it back to the kernel, which takes a millisecond (malloc_trim(3)).
    public static func giveBack() { crd_trim_memory() }
}
