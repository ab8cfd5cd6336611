// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("A path's event")
struct PathEventTests {
    private static let time = "2026-01-02T03:04:05.678901Z"

    private func line(_ event: PathEvent) -> String {
        String(
            decoding: event.triggerEvent(at: Self.time, readAt: Instant(nanoseconds: 7)).line,
            as: UTF8.self)
    }

    @Test("is one line of JSON, and CRD_PATH") func plain() {
        let event = PathEvent(path: Array("/var/log/a.log".utf8), [.create, .closeWrite])
        let trigger = event.triggerEvent(at: Self.time, readAt: Instant(nanoseconds: 7))
        #expect(
            String(decoding: trigger.line, as: UTF8.self)
                == #"{"trigger":"path","time":"\#(Self.time)","path":"/var/log/a.log","#
                + #""events":["close_write","create"],"directory":false}"#)
        #expect(trigger.cause == .path)
        #expect(trigger.variables == [.init(name: "CRD_PATH", value: Array("/var/log/a.log".utf8))])
    }

    @Test("says where a directory came from, and that there was more than could be told")
    func everything() {
        var event = PathEvent(path: Array("/b".utf8), .movedTo, isDirectory: true)
        event.from = Array("/a".utf8)
        event.isOverflow = true
        #expect(
            line(event)
                == #"{"trigger":"path","time":"\#(Self.time)","path":"/b","events":["moved_to"],"#
                + #""directory":true,"from":"/a","overflow":true}"#)
    }

    @Test(
        "shows any name there can be",
        arguments: [
            (Array("/a \"b\" \\c".utf8), #""/a \"b\" \\c""#),
            (Array("/a\nb\tc\u{1}\u{1B}[2J\u{7F}".utf8), #""/a\nb\tc\u0001\u001b[2J\u007f""#),
            (Array("/é\u{2028}🦉</script>".utf8), "\"/é\u{2028}🦉</script>\""),
            ([0x2F, 0xFF, 0x0A], "[47,255,10]"),
            ([0x2F, 0xC3], "[47,195]"),
            // Half of a surrogate pair is not UTF-8 either.
            ([0xED, 0xA0, 0x80], "[237,160,128]"),
            ([], "\"\""),
        ] as [([UInt8], String)])
    func hostileName(path: [UInt8], shown: String) {
        let event = PathEvent(path: path, .delete)
        #expect(line(event).contains(#""path":\#(shown),"events":["delete"]"#), "\(line(event))")
        #expect(!line(event).utf8.contains(UInt8(ascii: "\n")))
        #expect(
            event.triggerEvent(at: Self.time, readAt: Instant(nanoseconds: 7)).variables[0].value
                == path)
    }

    @Test("has inotifywait's names, each for one bit") func names() {
        #expect(
            PathEvents(rawValue: .max).names == [
                "access", "modify", "attrib", "close_write", "close_nowrite", "open", "moved_from",
                "moved_to", "create", "delete", "delete_self", "move_self", "unmount",
            ])
        for (name, event) in PathEvents.names {
            #expect(event.names == [name])
            #expect(event.rawValue.nonzeroBitCount == 1)
        }
        #expect(PathEvents([]).names == [])
        #expect(
            PathEvents.usual.names == [
                "modify", "close_write", "moved_from", "moved_to", "create", "delete",
            ])
    }

    @Test("is an object even when nothing is in it") func emptyObject() {
        #expect(JSONObject().encoded() == Array("{}".utf8))
        var object = JSONObject()
        object.add("a\"b", [String]())
        object.add("c", true)
        #expect(object.encoded() == Array(#"{"a\"b":[],"c":true}"#.utf8))
    }
}
