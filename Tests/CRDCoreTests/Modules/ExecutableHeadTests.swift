// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("The beginning of an executable")
struct ExecutableHeadTests {
    private static let machine = ExecutableHead.Machine(
        name: "x86-64", executes: [(62, 2), (3, 1)])

    private func head(_ bytes: [UInt8]) -> ExecutableHead {
        ExecutableHead(bytes, of: "check", on: Self.machine)
    }

    private func head(_ text: String) -> ExecutableHead { head(Array(text.utf8)) }

    @Test(
        "of a script names the interpreter as the kernel reads it",
        arguments: [
            ("#!/bin/sh\n", "/bin/sh", nil), ("#!/bin/sh", "/bin/sh", nil),
            ("#! \t/bin/sh \t\nexit", "/bin/sh", nil), ("#!/bin/sh -e -u \n", "/bin/sh", "-e -u"),
            ("#!/usr/bin/env\tpython3\n", "/usr/bin/env", "python3"), ("#!sh\n", "sh", nil),
            ("#!/bin/sh -x\0\n", "/bin/sh", "-x"),
            (
                "#!/bin/sh " + String(repeating: "x", count: 300), "/bin/sh",
                String(repeating: "x", count: 245)
            ),
        ] as [(String, String, String?)])
    func script(text: String, interpreter: String, argument: String?) {
        #expect(head(text) == .script(interpreter: interpreter, argument: argument))
    }

    @Test(
        "that the kernel does not execute is told, with what to do",
        arguments: [
            ("", "is empty; "), ("#!/bin/sh\r\nexit 0\r\n", "sed -i 's/\\r$//' 'check'"),
            ("#!/usr/bin/env python3\r\n", "carriage return"), ("#!/bin/sh\r", "carriage return"),
            ("echo yes\n", "neither a program for this machine nor a script with a #! line"),
            ("#!\n", "without an interpreter"), ("#!  \t \n/bin/sh\n", "without an interpreter"),
            ("#!/" + String(repeating: "x", count: 300) + "\n", "more than 256 bytes"),
            ("\u{FEFF}#!/bin/sh\n", "after which the kernel sees no #! line; run: sed -i '1s"),
            ("\u{FEFF}echo\n", "begins with a byte order mark; run"),
            ("\n#!/bin/sh\n", "make it the very first"), (" #!/bin/sh\n", "the very first"),
            ("version https://git-lfs.github.com/spec/v1\noid x\n", "git lfs pull"),
            ("MZ\u{1}", "a program for Windows"),
        ])
    func fault(text: String, says: String) throws {
        guard case .fault(let reason) = head(text) else {
            Issue.record("\(text) is no fault")
            return
        }
        #expect(reason.contains(says))
    }

    @Test("of text in UTF-16 is told") func wideText() {
        for mark: [UInt8] in [[0xFF, 0xFE], [0xFE, 0xFF]] {
            guard case .fault(let reason) = head(mark + [0x23, 0, 0x21, 0]) else {
                Issue.record("\(mark) is no fault")
                continue
            }
            #expect(reason.contains("UTF-16"))
        }
    }

    /// An ELF file: its header, one program header, and the loader's path behind them.
    private static func elf(
        machine: UInt16 = 62, size: UInt8 = 2, order: UInt8 = 1, type: UInt16 = 3,
        loader: String? = nil
    ) -> [UInt8] {
        func number(_ value: Int, _ length: Int) -> [UInt8] {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
            return order == 2 ? bytes.reversed() : bytes
        }
        let word = size == 2 ? 8 : 4
        let path: [UInt8] = loader.map { Array($0.utf8) + [0] } ?? []
        let headerSize = size == 2 ? 64 : 52
        let entrySize = size == 2 ? 56 : 32
        var bytes: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, size, order, 1]
        bytes += [UInt8](repeating: 0, count: 9)
        bytes += number(Int(type), 2) + number(Int(machine), 2) + number(1, 4)
        bytes += number(0, word) + number(headerSize, word) + number(0, word) + number(0, 4)
        bytes += number(headerSize, 2) + number(entrySize, 2) + number(loader == nil ? 0 : 1, 2)
        bytes += number(0, 6)
        precondition(bytes.count == headerSize)
        let place = headerSize + entrySize
        if size == 2 {
            bytes += number(3, 4) + number(4, 4) + number(place, 8) + number(0, 16)
            bytes += number(path.count, 8) + number(0, 16)
        } else {
            bytes += number(3, 4) + number(place, 4) + number(0, 8) + number(path.count, 4)
            bytes += number(0, 12)
        }
        precondition(bytes.count == place)
        return bytes + path
    }

    @Test("of a program names its loader") func program() {
        #expect(head(Self.elf()) == .program(loader: nil))
        #expect(head(Self.elf(type: 2, loader: "/lib/ld.so")) == .program(loader: "/lib/ld.so"))
        #expect(
            head(Self.elf(machine: 3, size: 1, loader: "/lib/ld.so"))
                == .program(loader: "/lib/ld.so"))
        // Bytes beyond the part that was read are not judged.
        let whole = Self.elf(loader: "/lib/ld.so")
        #expect(head(Array(whole.dropLast(4))) == .program(loader: nil))
        #expect(head(Array(whole.prefix(80))) == .program(loader: nil))
    }

    @Test(
        "of another machine's program names that",
        arguments: [
            (elf(machine: 183), "64-bit Arm"), (elf(machine: 40, size: 1), "32-bit Arm"),
            (elf(machine: 62, size: 1), "x86-64 (32-bit ELF)"),
            (elf(machine: 8, order: 2), "MIPS"), (elf(machine: 999), "machine 999"),
            (elf(type: 1), "link it"), (Array(elf().prefix(40)), "ends in the middle"),
        ] as [([UInt8], String)])
    func foreign(bytes: [UInt8], says: String) {
        guard case .fault(let reason) = head(bytes) else {
            Issue.record("\(says) is no fault")
            return
        }
        #expect(reason.contains(says), "\(reason)")
    }

    @Test("is never read beyond its end, whatever its numbers say") func hostile() {
        var bytes = Self.elf(loader: "/lib/ld.so")
        for offset in 24..<bytes.count {
            let former = bytes[offset]
            for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFF] {
                bytes[offset] = value
                _ = head(bytes)
                _ = head(Array(bytes.prefix(offset)))
            }
            bytes[offset] = former
        }
        for offset in 24..<(bytes.count - 8) {
            var wide = bytes
            wide.replaceSubrange(offset..<(offset + 8), with: [UInt8](repeating: 0xFF, count: 8))
            _ = head(wide)
        }
    }

    @Test("that somebody has registered an interpreter for is known by its magic or its name")
    func registered() throws {
        let magic = try #require(
            BinaryFormat(
                parsing: """
                    enabled
                    interpreter /usr/bin/qemu
                    flags: OCF
                    offset 2
                    magic 4c46
                    mask fffe

                    """))
        #expect(magic.fits([0x7F, 0x45, 0x4C, 0x47], named: "check"))
        #expect(!magic.fits([0x7F, 0x45, 0x4C, 0x48], named: "check"))
        #expect(!magic.fits([0x7F, 0x45, 0x4C], named: "check"))
        let ending = try #require(
            BinaryFormat(parsing: "enabled\ninterpreter /usr/bin/java\nflags: \nextension .jar\n"))
        #expect(ending.fits([], named: "a.jar") && !ending.fits([], named: "jar"))
        #expect(BinaryFormat(parsing: "disabled\ninterpreter /x\nextension .jar\n") == nil)
        #expect(BinaryFormat(parsing: "enabled\ninterpreter /x\n") == nil)
        #expect(BinaryFormat(parsing: "enabled\ninterpreter /x\noffset 0\nmagic 4x\n") == nil)
    }

    @Test(
        "An executable that is called otherwise is found",
        arguments: [
            (["check.sh", "response"], "check.sh"), (["Check"], "Check"),
            (["check.py", "check.sh"], "check.py"), (["check", "check.sh"], nil),
            (["check.bak", "check~", ".check.swp", "checks", "recheck.sh"], nil), ([], nil),
        ] as [([String], String?)])
    func misnamed(files: [String], found: String?) {
        #expect(ExecutableName.misnamed("check", among: files) == found)
    }
}
