// SPDX-License-Identifier: GPL-3.0-or-later

// The kernel's number types under names of our own. Every C module that includes <sys/types.h>
// declares `uid_t` and its like; which one the compiler means depends on what it saw first.

/// `uid_t`.
public typealias UID = UInt32
/// `gid_t`.
public typealias GID = UInt32
/// `pid_t`.
public typealias PID = Int32
/// `mode_t`: permission bits.
public typealias ModeBits = UInt32
