// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@testable import CRDLinux

@Suite("Targets that wait to be resolved")
struct DeferredTargetsTests {
    private func target(_ path: String, of module: Int) -> PathTarget {
        PathTarget(
            PathTrigger(path: path), of: .module(ModuleID(module)), share: WatchShare(max: 1))
    }

    private func popAll(_ deferred: DeferredTargets) -> [String] {
        var found: [String] = []
        func path(_ target: PathTarget) -> String { String(decoding: target.path, as: UTF8.self) }
        while let (target, isChanged, told) = deferred.popFirst() {
            let news = told.map { "!\(path($0))" } ?? ""
            found.append(path(target) + (isChanged ? "*" : "") + news)
        }
        return found
    }

    @Test("G15: one module's few do not wait for all of another's") func turns() {
        let deferred = DeferredTargets()
        for path in ["/a", "/b", "/c"] { deferred.append(target(path, of: 1), as: .changed) }
        deferred.append(target("/z", of: 2), as: .changed)
        #expect(popAll(deferred) == ["/a*", "/z*", "/b*", "/c*"])
        #expect(deferred.isEmpty)
    }

    @Test("wait once, and may wait again afterwards") func once() {
        let deferred = DeferredTargets()
        let target = target("/a", of: 1)
        for _ in 0..<3 { deferred.append(target, as: .changed) }
        #expect(popAll(deferred) == ["/a*"])
        deferred.append(target, as: .changed)
        #expect(popAll(deferred) == ["/a*"])
    }

    @Test("G2: after an overflow each module is told once, when its last one is resolved")
    func overflow() {
        let deferred = DeferredTargets()
        let (first, second) = (target("/a", of: 1), target("/b", of: 1))
        for target in [first, second, target("/z", of: 2)] {
            deferred.append(target, as: .overflowed)
        }
        deferred.append(second, as: .changed)
        #expect(popAll(deferred) == ["/a", "/z!/z", "/b*!/a"])
    }

    @Test("are forgotten with their trigger") func removed() {
        let deferred = DeferredTargets()
        let (first, second) = (target("/a", of: 1), target("/b", of: 1))
        for target in [first, second] { deferred.append(target, as: .overflowed) }
        deferred.remove(first)
        #expect(popAll(deferred) == ["/b!/a"])
        deferred.append(second, as: .overflowed)
        deferred.remove(second)
        #expect(popAll(deferred) == [] && deferred.isEmpty)
    }
}
