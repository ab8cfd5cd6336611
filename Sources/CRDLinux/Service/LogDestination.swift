// SPDX-License-Identifier: GPL-3.0-or-later

/// Where log lines go; it takes them without ever waiting.
protocol LogDestination {
    mutating func write(_ bytes: ArraySlice<UInt8>) -> LogWriteResult
    /// The file that becomes writable when there is room again.
    var file: SharedDescriptor? { get }
    /// The line that reports how many lines were dropped.
    static func notice(dropped: Int) -> [UInt8]
}
