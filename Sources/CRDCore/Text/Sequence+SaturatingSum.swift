// SPDX-License-Identifier: GPL-3.0-or-later

extension Sequence where Element: FixedWidthInteger {
    /// The sum, or the largest number where it does not fit: sizes of files that others made may
    /// add up to more.
    public func saturatingSum() -> Element {
        reduce(0) { sum, next in
            let (value, isTooMuch) = sum.addingReportingOverflow(next)
            return isTooMuch ? .max : value
        }
    }
}
