// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import TestSupport
import Testing

/// What path triggers see, against the real kernel: one script in `PathScripts` a case.
@Suite("Path scripts")
struct PathScriptTests {
    @Test("there are scripts")
    func scriptsAreFound() {
        #expect(PathScript.all.count >= 40)
    }

    @Test("G2, G9", arguments: PathScript.all)
    func script(_ name: String) throws {
        let script = try PathScript(named: name)
        let complaints =
            if geteuid() == 0 {
                try OwnThread.runInMountNamespace { try script.run() }
            } else if script.needsMounts {
                try { try Test.cancel("mounting needs root") }()
            } else {
                try script.run()
            }
        for complaint in complaints { Issue.record("\(name), \(complaint)") }
    }
}
