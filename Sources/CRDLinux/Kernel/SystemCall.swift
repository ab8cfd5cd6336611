// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import SystemPackage

/// Calls `body` until it returns something other than `-1` with `EINTR`.
///
/// Never pass `close(2)`: the descriptor is gone even when it reports `EINTR`,
/// so a retry may close another owner's.
@discardableResult
public func systemCall<Value: FixedWidthInteger>(
    _ function: StaticString, on subject: @autoclosure () -> String = "", _ body: () -> Value
) throws(SystemCallError) -> Value {
    while true {
        let result = body()
        if result != -1 { return result }
        let code = Errno(rawValue: Glibc.errno)
        if code == .interrupted { continue }
        throw SystemCallError(function: function, errno: code, subject: subject())
    }
}
