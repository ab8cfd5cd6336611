// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@Suite("UnitName")
struct UnitNameTests {
    @Test(
        "is a service's, unless its suffix says otherwise",
        arguments: [
            ("sshd", "sshd.service"), ("sshd.service", "sshd.service"),
            ("php8.2-fpm", "php8.2-fpm.service"), ("org.cups.cupsd", "org.cups.cupsd.service"),
            ("getty@tty1", "getty@tty1.service"), ("boot-efi.mount", "boot-efi.mount"),
            ("dev-disk-by\\x2dlabel.swap", "dev-disk-by\\x2dlabel.swap"),
            ("session-3.scope", "session-3.scope"), ("a:b_c", "a:b_c.service"),
        ])
    func suffix(text: String, name: String) {
        #expect(UnitName(text)?.description == name)
    }

    @Test(
        "is nothing that no unit can be called",
        arguments: [
            "", ".", ".service", "a b", "a/b", "a\nb", "ä", "@x", "a\"",
            String(repeating: "x", count: 248),
        ])
    func refused(text: String) {
        #expect(UnitName(text) == nil)
    }
}
