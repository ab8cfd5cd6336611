// SPDX-License-Identifier: GPL-3.0-or-later

import CPCRE2

/// A pattern as PCRE2 compiled it, and its sole owner (pcre2api(3)).
final class PatternCode {
    private let code: OpaquePointer
    private var wasCompiledNatively = false
    /// Whether there is machine code of it.
    private(set) var isNative = false

    /// pcre2_compile(3), with `options` besides those that each pattern has.
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

    /// Makes machine code of it, once, if that can be done (pcre2_jit_compile(3)).
    func compileNatively() {
        if wasCompiledNatively { return }
        wasCompiledNatively = true
        pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE)
        isNative = information(PCRE2_INFO_JITSIZE, 0) > 0
    }

    /// Looks for the pattern (pcre2_match(3)): above 0 if it is there, `PCRE2_ERROR_NOMATCH` if
    /// not, else what went wrong.
    func match(
        _ subject: UnsafeRawBufferPointer, options: UInt32 = 0, in space: borrowing MatchContext
    ) -> CInt {
        pcre2_match_8(
            code, Self.start(of: subject), subject.count, 0, options, space.data, space.context)
    }

    /// Room for what a match finds (pcre2_match_data_create_from_pattern(3)).
    func makeMatchData() -> OpaquePointer { pcre2_match_data_create_from_pattern_8(code, nil) }

    /// Groups that have a name, by their lowest numbers. Under `(?J)` a name may have several.
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

    /// Where in the pattern's text, in bytes, the first item is that begins so. Only a pattern with
    /// a callout before each item can tell (pcre2_callout_enumerate(3)).
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

    /// What PCRE2 says about an error (pcre2_get_error_message(3)).
    static func message(for error: CInt) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { text in
            let count = pcre2_get_error_message_8(error, text.baseAddress, text.count)
            return count < 0
                ? "error \(error)" : String(decoding: text[..<Int(count)], as: UTF8.self)
        }
    }

    /// PCRE2 before 10.40 wants an address of nothing, too.
    private static func start(of bytes: UnsafeRawBufferPointer) -> UnsafePointer<UInt8> {
        let empty: StaticString = ""
        return bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? empty.utf8Start
    }

    /// pcre2_pattern_info(3), which stores a value of the type that `what` has.
    private func information<Value: BitwiseCopyable>(_ what: CInt, _ initial: Value) -> Value {
        var value = initial
        pcre2_pattern_info_8(code, UInt32(what), &value)
        return value
    }
}
