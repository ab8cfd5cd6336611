// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import CTestSupport
import Glibc
import SystemPackage

/// A thread for effects that the test's own thread must not suffer.
public enum OwnThread {
    private final class Work {
        let body: () -> Void

        init(_ body: @escaping () -> Void) {
            self.body = body
        }
    }

    /// Runs `body` in a thread of its own and waits for it (pthread_create(3)).
    public static func run<Value>(_ body: () throws -> Value) throws -> Value {
        var result: Result<Value, any Error>?
        try withoutActuallyEscaping(body) { body in
            let work = Unmanaged.passRetained(Work { result = Result { try body() } })
            var thread = pthread_t()
            let code = pthread_create(
                &thread, nil,
                { context in
                    Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().body()
                    return nil
                }, work.toOpaque())
            guard code == 0 else {
                work.release()
                throw SystemCallError(
                    function: "pthread_create", errno: .init(rawValue: code), subject: "")
            }
            pthread_join(thread, nil)
        }
        return try result!.get()
    }

    /// Does the same in a mount namespace of its own, which goes with the thread and all its mounts
    /// (unshare(2)). Needs root.
    public static func runInMountNamespace<Value>(_ body: () throws -> Value) throws -> Value {
        try run {
            try systemCall("unshare") { crd_test_unshare_mounts() }
            return try body()
        }
    }
}
