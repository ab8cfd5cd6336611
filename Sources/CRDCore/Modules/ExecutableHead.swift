// SPDX-License-Identifier: GPL-3.0-or-later

/// Whether the kernel can execute a file (execve(2)), as far as its first bytes say.
public enum ExecutableHead: Equatable, Sendable {
    /// A program for this machine.
    ///
    /// - Parameter loader: the dynamic loader that the ELF header names; nil for a static program,
    ///   or if the name is beyond the bytes read.
    case program(loader: String?)
    /// A script, with the interpreter and the argument of its first line.
    case script(interpreter: String, argument: String?)
    /// What is wrong and what to do, to follow the file's name.
    case fault(String)

    /// How many bytes are examined; the kernel itself examines the first 256.
    public static let lengthMax = 4_096

    /// The reason for the kernel's error "exec format error", also for files that the caller cannot
    /// read.
    public static let unknownFormat =
        "is neither a program for this machine nor a script with a #! line; "
        + "make '#!/bin/sh' or the like its first line"

    /// - Parameters:
    ///   - bytes: the file's first `lengthMax` bytes, or all of it.
    ///   - name: the file's name, for the remedy.
    ///   - machine: nil where it is unknown; programs of any machine are then accepted.
    public init(_ bytes: [UInt8], of name: String, on machine: Machine? = .current) {
        if bytes.isEmpty {
            self = .fault("is empty; put a program or a script with a #! line there")
        } else if bytes.starts(with: Array("#!".utf8)) {
            self = Self.script(bytes, name)
        } else if bytes.starts(with: Self.elfMagic) {
            self = Self.program(bytes, machine)
        } else {
            self = .fault(Self.objection(toText: bytes, name))
        }
    }

    // MARK: Scripts

    /// How much of the first line the kernel reads (`BINPRM_BUF_SIZE`).
    private static let lineMax = 256

    private static func script(_ bytes: [UInt8], _ name: String) -> ExecutableHead {
        let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        let head = bytes.prefix(lineMax - 1).dropFirst("#!".utf8.count)
        let line = head.prefix { $0 != UInt8(ascii: "\n") && $0 != 0 }
        if line.last == UInt8(ascii: "\r") {
            return .fault(
                "has a carriage return at the end of its #! line, as Windows writes lines; run: "
                    + "sed -i 's/\\r$//' \(quoted(name))")
        }
        let words = line.drop(while: isBlank)
        let interpreter = words.prefix { !isBlank($0) }
        if interpreter.isEmpty {
            return .fault("has a #! line without an interpreter; make it '#!/bin/sh' or the like")
        }
        // The kernel would truncate the path.
        if line.endIndex == head.endIndex, head.count == lineMax - 3,
            interpreter.endIndex == line.endIndex
        {
            return .fault("has a #! line of more than \(lineMax) bytes; shorten it")
        }
        var rest = words[interpreter.endIndex...].drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return .script(
            interpreter: String(decoding: interpreter, as: UTF8.self),
            argument: rest.isEmpty ? nil : String(decoding: rest, as: UTF8.self))
    }

    private static func objection(toText bytes: [UInt8], _ name: String) -> String {
        func begins(_ text: String) -> Bool { bytes.starts(with: Array(text.utf8)) }
        if begins("version https://git-lfs.github.com/") {
            return
                "is a git-lfs pointer, not the file itself, and crd does not fetch from lfs; run "
                + "git lfs pull where it comes from, or keep it in git without lfs"
        }
        if begins("\u{FEFF}") {
            let isScript = bytes.dropFirst(3).starts(with: Array("#!".utf8))
            return "begins with a byte order mark"
                + (isScript ? ", after which the kernel sees no #! line" : "")
                + "; run: sed -i '1s/^\\xEF\\xBB\\xBF//' \(quoted(name))"
        }
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            return "is UTF-16 text, in which the kernel does not see a #! line; store it as UTF-8"
        }
        let systems: [(magic: [UInt8], name: String)] = [
            ([0x4D, 0x5A], "Windows"), ([0xCF, 0xFA, 0xED, 0xFE], "macOS"),
            ([0xCA, 0xFE, 0xBA, 0xBE], "macOS or Java"),
        ]
        if let system = systems.first(where: { bytes.starts(with: $0.magic) }) {
            return "is a program for \(system.name); put one for Linux there"
        }
        let text = bytes.drop { $0 <= UInt8(ascii: " ") }
        if text.count < bytes.count, text.starts(with: Array("#!".utf8)) {
            return
                "has its #! line after blanks or empty lines, where the kernel does not see it; "
                + "make it the very first line"
        }
        return unknownFormat
    }

    private static func quoted(_ name: String) -> String { "'\(PrintableText.of(name))'" }

    // MARK: Programs

    /// A machine as ELF headers name it (elf(5)).
    public struct Machine: Sendable {
        let name: String
        /// The programs that it executes: their machine, and 1 for 32 bits, 2 for 64.
        let executes: [(machine: UInt16, size: UInt8)]

        public static let current: Machine? = {
            #if arch(x86_64)
                Machine(name: "x86-64", executes: [(62, 2), (3, 1)])
            #elseif arch(arm64)
                Machine(name: "64-bit Arm", executes: [(183, 2), (40, 1)])
            #else
                nil
            #endif
        }()

        fileprivate static let names: [UInt16: String] = [
            3: "32-bit x86", 8: "MIPS", 20: "PowerPC", 21: "64-bit PowerPC", 22: "IBM Z",
            40: "32-bit Arm", 62: "x86-64", 183: "64-bit Arm", 243: "RISC-V", 258: "LoongArch",
        ]
    }

    private static let elfMagic: [UInt8] = [0x7F, 0x45, 0x4C, 0x46]

    private static func program(_ bytes: [UInt8], _ machine: Machine?) -> ExecutableHead {
        guard let header = ELFHeader(bytes) else {
            return .fault("ends in the middle of its ELF header; copy it again")
        }
        if let machine,
            !machine.executes.contains(where: {
                $0.machine == header.machine && $0.size == header.size && !header.isBigEndian
            })
        {
            let bits = header.size == 1 ? 32 : 64
            let own = Machine.names[header.machine].map { "\($0)" } ?? "machine \(header.machine)"
            return .fault(
                "is a program for \(own) (\(bits)-bit ELF), but this machine is \(machine.name); "
                    + "put one for this machine there")
        }
        guard header.isExecutable else {
            return .fault("is an ELF file, but not a program; link it, or put a program there")
        }
        return .program(loader: header.loader(in: bytes))
    }
}

/// The beginning of an ELF file (elf(5)).
private struct ELFHeader {
    /// 1 for 32 bits, 2 for 64.
    let size: UInt8
    let isBigEndian: Bool
    let machine: UInt16
    private let type: UInt16

    /// Nil where the header is incomplete.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 52, bytes.count >= 64 || bytes[4] != 2 else { return nil }
        size = bytes[4]
        isBigEndian = bytes[5] == 2
        func short(_ offset: Int) -> UInt16 {
            let (first, second) = (UInt16(bytes[offset]), UInt16(bytes[offset + 1]))
            return bytes[5] == 2 ? first << 8 | second : second << 8 | first
        }
        type = short(16)
        machine = short(18)
    }

    /// Whether the file can be started: ET_EXEC or ET_DYN.
    var isExecutable: Bool { type == 2 || type == 3 }

    /// Returns the loader that the PT_INTERP segment of a little-endian program names.
    func loader(in bytes: [UInt8]) -> String? {
        func number(_ offset: Int, _ length: Int) -> Int {
            guard offset >= 0, offset + length <= bytes.count else { return 0 }
            let value = (0..<length).reduce(UInt64(0)) {
                $0 | UInt64(bytes[offset + $1]) << (8 * UInt64($1))
            }
            return Int(clamping: value)
        }
        let isWide = size == 2
        let word = isWide ? 8 : 4
        let table = number(isWide ? 32 : 28, word)
        let entry = number(isWide ? 54 : 42, 2)
        let count = number(isWide ? 56 : 44, 2)
        for index in 0..<count {
            let (place, overflow) = table.addingReportingOverflow(index * entry)
            guard !overflow, place < bytes.count else { return nil }
            guard number(place, 4) == Self.interpreterSegment else { continue }
            let start = number(place + (isWide ? 8 : 4), word)
            let length = number(place + (isWide ? 32 : 16), word)
            guard length > 1, length <= Self.pathMax, start > 0, start <= bytes.count - length
            else { return nil }
            return String(decoding: bytes[start..<start + length - 1], as: UTF8.self)
        }
        return nil
    }

    /// PT_INTERP.
    private static let interpreterSegment = 3
    /// PATH_MAX of limits.h.
    private static let pathMax = 4_096
}
