// SPDX-License-Identifier: GPL-3.0-or-later

enum LogWriteResult: Equatable {
    /// The number of bytes written; for messages always all.
    case wrote(Int)
    /// The reader must read first.
    case full
    /// There is no reader at the moment.
    case unreachable
    /// This line cannot be written.
    case impossible
}
