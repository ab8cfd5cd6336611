// SPDX-License-Identifier: GPL-3.0-or-later

/// The limits for the number and the total size of a module's files.
public enum ModuleLimits {
    public static let filesMax = 10_000
    public static let bytesMax = 256 << 20
}
