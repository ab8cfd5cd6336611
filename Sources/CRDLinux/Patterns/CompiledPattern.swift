// SPDX-License-Identifier: GPL-3.0-or-later

import CPCRE2

/// Sole owner of a pattern compiled by PCRE2 (pcre2api(3)).
final class CompiledPattern {
    private let code: OpaquePointer
    private var wasCompiledNatively = false
    /// Whether machine code was made for it.
    private(set) var isNative = false

    /// Calls pcre2_compile(3) with `options` and those that every pattern gets.
    init(_ text: String, options: UInt32 = 0) throws(Pattern.Malformed) {
        let common = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C
        var error: CInt = 0
        var offset = 0
        var text = text
        let code = text.withUTF8 {
            pcre2_compile_8(
                Self.start(of: UnsafeRawBufferPointer($0)), $0.count,
                common | options, &error, &offset, nil)
        }
        guard let code else {
            throw Pattern.Malformed(reason: Self.message(for: error), offset: offset)
        }
        self.code = code
    }

    deinit { pcre2_code_free_8(code) }

    /// Compiles the pattern to machine code, once, if possible (pcre2_jit_compile(3)).
    func compileNatively() {
        if wasCompiledNatively { return }
        wasCompiledNatively = true
        pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE)
        isNative = information(PCRE2_INFO_JITSIZE, 0) > 0
    }

    /// In bytes, without the machine code.
    var size: Int { information(PCRE2_INFO_SIZE, 0) }

    /// Searches for the pattern (pcre2_match(3)); returns a number above 0 if found,
    /// `PCRE2_ERROR_NOMATCH` if not, else an error number.
    func match(
        _ subject: UnsafeRawBufferPointer, options: UInt32 = 0, in space: borrowing MatchContext
    ) -> CInt {
        pcre2_match_8(
            code, Self.start(of: subject), subject.count, 0, options, space.data, space.context)
    }

    /// Allocates memory for the result of a match (pcre2_match_data_create_from_pattern(3)).
    func makeMatchData() -> OpaquePointer { pcre2_match_data_create_from_pattern_8(code, nil) }

    /// The named groups, by their lowest numbers. Under `(?J)` a name may have several.
    var namedGroups: [(name: String, numbers: [Int])] {
        let size = Int(information(PCRE2_INFO_NAMEENTRYSIZE, UInt32(0)))
        let count = Int(information(PCRE2_INFO_NAMECOUNT, UInt32(0)))
        guard var entry = information(PCRE2_INFO_NAMETABLE, UnsafePointer<UInt8>?.none)
        else { return [] }
        var numbers: [String: [Int]] = [:]
        for _ in 0..<count {
            let number = Int(entry[0]) << 8 | Int(entry[1])
            numbers[String(cString: entry + 2), default: []].append(number)
            entry += size
        }
        return numbers.map { (name: $0.key, numbers: $0.value.sorted()) }
            .sorted { $0.numbers[0] < $1.numbers[0] }
    }

    /// Returns the offset in bytes of the pattern's first item with one of these beginnings. Works
    /// only if the pattern has a callout before each item (pcre2_callout_enumerate(3)).
    func firstItem(beginningWith beginnings: [String], in text: String) -> Int? {
        var offsets: [Int] = []
        withUnsafeMutablePointer(to: &offsets) { offsets in
            _ = pcre2_callout_enumerate_8(
                code,
                { callout, offsets in
                    let offset = callout!.pointee.pattern_position
                    offsets!.assumingMemoryBound(to: [Int].self).pointee.append(offset)
                    return 0
                }, offsets)
        }
        return offsets.first { offset in
            let item = text.utf8.dropFirst(offset)
            return beginnings.contains { item.starts(with: $0.utf8) }
        }
    }

    /// Returns PCRE2's message for an error (pcre2_get_error_message(3)).
    static func message(for error: CInt) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { text in
            let count = pcre2_get_error_message_8(error, text.baseAddress, text.count)
            return count < 0
                ? "error \(error)" : String(decoding: text[..<Int(count)], as: UTF8.self)
        }
    }

    /// Returns the address of the bytes; PCRE2 before 10.40 needs one even for no bytes.
    private static func start(of bytes: UnsafeRawBufferPointer) -> UnsafePointer<UInt8> {
        let empty: StaticString = ""
        return bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? empty.utf8Start
    }

    /// Calls pcre2_pattern_info(3), which stores a value whose type depends on `what`.
    private func information<Value: BitwiseCopyable>(_ what: CInt, _ initial: Value) -> Value {
        var value = initial
        pcre2_pattern_info_8(code, UInt32(what), &value)
        return value
    }
}
