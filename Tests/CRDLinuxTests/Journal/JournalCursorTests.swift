// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDLinux

@Suite("The order of cursors")
struct JournalCursorTests {
    @Test(
        "is that of one writer's numbers, else of a boot's clock, else of the calendar",
        arguments: [
            ("s=a;i=9;b=a;m=9;t=9;x=9", "s=a;i=10;b=a;m=1;t=1;x=1"),
            ("s=a;i=9;b=a;m=9;t=9;x=9", "s=b;i=1;b=a;m=a;t=1;x=1"),
            ("s=a;i=9;b=a;m=9;t=9;x=9", "s=b;i=1;b=b;m=1;t=a;x=1"),
            ("s=a;i=9;b=a;m=9;t=9;x=9", "s=b;i=1;b=b;m=1;t=9;x=a"),
        ])
    func order(first: String, second: String) {
        #expect(JournalCursor(first) < JournalCursor(second))
        #expect(!(JournalCursor(second) < JournalCursor(first)))
        #expect(!(JournalCursor(first) < JournalCursor(first)))
    }

    @Test("counts the entries between two of one writer") func count() {
        let cursor = JournalCursor("s=a;i=1f;b=a;m=9;t=9;x=9")
        #expect(cursor.count(to: JournalCursor("s=a;i=21;b=b;m=1;t=1;x=1")) == 2)
        #expect(cursor.count(to: JournalCursor("s=a;i=1;b=a;m=9;t=9;x=9")) == nil)
        #expect(cursor.count(to: JournalCursor("s=b;i=21;b=a;m=9;t=9;x=9")) == nil)
        #expect(JournalCursor("").count(to: JournalCursor("")) == nil)
    }
}
