// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux

/// Memory that this process holds but no longer uses.
public enum MallocTrim {
    /// Returns it to the kernel, which takes a millisecond (malloc_trim(3)).
    public static func giveBack() { crd_trim_memory() }
}
