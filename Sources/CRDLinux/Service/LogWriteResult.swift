// SPDX-License-Identifier: GPL-3.0-or-later

enum LogWriteResult: Equatable {
    /// So many bytes were taken; for messages always all.
    case wrote(Int)
    /// The reader has to read first.
    case full
    /// Nobody is there to read at the moment.
    case unreachable
    /// This line cannot be written.
    case impossible
}
