// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import Testing

@Suite("CStringBlock")
struct CStringBlockTests {
    private func bytes(_ block: CStringBlock) -> [[UInt8]] {
        var block = block
        return block.withPointers { pointers in
            var strings: [[UInt8]] = []
            while let string = pointers[strings.count] {
                strings.append(Array(UnsafeRawBufferPointer(start: string, count: length(string))))
            }
            return strings
        }
    }

    private func length(_ string: UnsafeMutablePointer<CChar>) -> Int {
        var count = 0
        while string[count] != 0 { count += 1 }
        return count
    }

    @Test(
        "is a null-terminated list",
        arguments: [
            [], [""], ["", ""], ["a", "", "b c\n", "ü"], Array(repeating: "x", count: 5_000),
        ])
    func list(strings: [String]) {
        #expect(bytes(CStringBlock(strings)) == strings.map { Array($0.utf8) })
    }

    @Test("drops NUL bytes, keeps all others, and cuts") func values() {
        var block = CStringBlock(["A=\01"])
        block.append("B", bytes: [0, 0xff, 0, 0x0a, 0], limit: 4)
        block.append("C", "\0x\0")
        #expect(
            bytes(block)
                == [Array("A=1".utf8), Array("B=".utf8) + [0xff, 0x0a], Array("C=x".utf8)])
        #expect(bytes(CStringBlock()) == [])
    }
}
