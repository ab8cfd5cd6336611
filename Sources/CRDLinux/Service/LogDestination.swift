// SPDX-License-Identifier: GPL-3.0-or-later

/// A destination of log lines, which never blocks.
protocol LogDestination {
    mutating func write(_ bytes: ArraySlice<UInt8>) -> LogWriteResult
    /// The file that becomes writable when there is room again.
    var file: SharedDescriptor? { get }
    /// Returns the line that reports how many lines were dropped.
    static func notice(dropped: Int) -> [UInt8]
}
