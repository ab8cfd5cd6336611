// SPDX-License-Identifier: GPL-3.0-or-later

import SystemPackage

/// Calls a function of libsystemd, which returns a negated error number on failure.
@discardableResult
func libsystemdCall(
    _ function: StaticString, on subject: @autoclosure () -> String = "the journal",
    _ body: () -> CInt
) throws(SystemCallError) -> CInt {
    let result = body()
    guard result < 0 else { return result }
    throw SystemCallError(
        function: function, errno: Errno(rawValue: -result), subject: subject())
}
