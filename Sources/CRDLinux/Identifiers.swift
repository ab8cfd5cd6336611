// SPDX-License-Identifier: GPL-3.0-or-later

// The kernel's numbers under names of our own: `uid_t` and its like are declared by every C module
// that includes <sys/types.h>, and which of them the compiler means depends on what it saw first.

/// `uid_t`.
public typealias UserID = UInt32
/// `gid_t`.
public typealias GroupID = UInt32
/// `pid_t`.
public typealias ProcessID = Int32
/// `mode_t`: permission bits.
public typealias FileMode = UInt32
