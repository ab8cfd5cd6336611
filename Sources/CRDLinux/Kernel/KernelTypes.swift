// SPDX-License-Identifier: GPL-3.0-or-later

// The kernel's numbers under names of our own: `uid_t` and its like are declared by every C module
// that includes <sys/types.h>, and which of them the compiler means depends on what it saw first.

/// `uid_t`.
public typealias UID = UInt32
/// `gid_t`.
public typealias GID = UInt32
/// `pid_t`.
public typealias PID = Int32
/// `mode_t`: permission bits.
public typealias ModeBits = UInt32
