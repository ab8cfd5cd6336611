// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@Suite struct ModuleNameTests {
    @Test(
        "Allowed",
        arguments: [
            "a", "Z", "9", "LogDirectory", "redis-publish", "a.b_c-d", "a.bak2",
            String(repeating: "x", count: 64),
        ])
    func allowed(name: String) {
        #expect(ModuleName(name)?.description == name)
        #expect(!ModuleName.isSkipped(name))
    }

    @Test(
        "Refused",
        arguments: [
            "", ".", "..", ".git", "-x", "_x", "a/b", "a b", "a\n", "a\0", "é", "e\u{301}", "ａ",
            "x~", String(repeating: "x", count: 65),
        ])
    func refused(name: String) {
        #expect(ModuleName(name) == nil)
    }

    @Test(
        "Skipped without a word",
        arguments: [
            (".git", true), ("a~", true), ("a.bak", true), ("a.dpkg-old", true),
            ("a.dpkg-new.dpkg-tmp", true), ("a.dpkg-", true), ("a.dpkgx", false),
            ("a.dpkg-old.b", false), ("bak", false), ("dpkg-old", false), ("a b", false),
        ])
    func skipped(name: String, isSkipped: Bool) {
        #expect(ModuleName.isSkipped(name) == isSkipped)
    }

    @Test("The order is that of bytes, in every locale")
    func order() {
        let names = ["a", "B", "9", "a-b", "a.b", "aa", "Z"].compactMap { ModuleName($0) }
        #expect(names.sorted().map(\.description) == ["9", "B", "Z", "a", "a-b", "a.b", "aa"])
    }
}
