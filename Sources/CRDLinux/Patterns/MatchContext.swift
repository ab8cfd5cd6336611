// SPDX-License-Identifier: GPL-3.0-or-later

import CPCRE2

/// The limits of a match and the memory for its result (pcre2api(3)).
struct MatchContext: ~Copyable {
    /// From pcre2_match_context_create(3).
    let context: OpaquePointer
    let data: OpaquePointer

    init(for code: CompiledPattern) {
        context = pcre2_match_context_create_8(nil)
        data = code.makeMatchData()
    }

    deinit {
        pcre2_match_data_free_8(data)
        pcre2_match_context_free_8(context)
    }

    /// Sets how many steps are allowed from each possible start of a match
    /// (pcre2_set_match_limit(3)). A pattern can only lower it.
    func setMatchLimit(_ limit: UInt32) { pcre2_set_match_limit_8(context, limit) }

    /// Sets how many bytes the interpreter may use (pcre2_set_heap_limit(3)). A pattern can only
    /// lower it.
    func setHeapLimit(_ limit: Int) { pcre2_set_heap_limit_8(context, UInt32(limit >> 10)) }

    /// Lets `watch` end the match at a callout (pcre2_set_callout(3)).
    func setCallout(_ watch: UnsafeMutablePointer<MatchTimeLimit>) {
        pcre2_set_callout_8(
            context,
            { _, watch in
                let watch = watch!.assumingMemoryBound(to: MatchTimeLimit.self)
                return watch.pointee.isTimeUp() ? PCRE2_ERROR_CALLOUT : 0
            }, watch)
    }

    /// Calls `body` while machine code may use a stack of up to `size` bytes
    /// (pcre2_jit_stack_create(3)).
    func withStack<Result>(_ size: Int, _ body: () -> Result) -> Result {
        let stack = pcre2_jit_stack_create_8(1 << 15, size, nil)
        pcre2_jit_stack_assign_8(context, nil, stack.map { UnsafeMutableRawPointer($0) })
        defer {
            pcre2_jit_stack_assign_8(context, nil, nil)
            pcre2_jit_stack_free_8(stack)
        }
        return body()
    }

    /// Returns the range of the first of these groups that took part in a match; nil if none did
    /// (pcre2_get_ovector_pointer(3)).
    func range(ofFirstOf groups: [Int]) -> Range<Int>? {
        let offsets = pcre2_get_ovector_pointer_8(data)!
        // PCRE2_UNSET, which Swift does not import, is -1 in Swift's type.
        guard let group = groups.first(where: { offsets[2 * $0] >= 0 }) else { return nil }
        return offsets[2 * group]..<offsets[2 * group + 1]
    }
}
