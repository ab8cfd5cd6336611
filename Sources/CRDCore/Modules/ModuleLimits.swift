// SPDX-License-Identifier: GPL-3.0-or-later

/// What the files of a module may come to.
public enum ModuleLimits {
    public static let filesMax = 10_000
    public static let bytesMax = 256 << 20
}
