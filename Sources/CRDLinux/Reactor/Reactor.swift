// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc

/// Owns epoll(7): waits for any of its sources to become ready and drains those that are.
public final class Reactor {
    /// Identifies a source while it is registered; packed into `epoll_data.u64`, so that readiness
    /// for a source removed earlier in the same batch is ignored.
    public struct Token: Sendable {
        fileprivate var slot: UInt32
        fileprivate var generation: UInt32
        fileprivate var bits: UInt64 { UInt64(generation) << 32 | UInt64(slot) }

        fileprivate init(slot: UInt32, generation: UInt32) {
            self.slot = slot
            self.generation = generation
        }

        fileprivate init(bits: UInt64) {
            slot = UInt32(truncatingIfNeeded: bits)
            generation = UInt32(truncatingIfNeeded: bits >> 32)
        }
    }

    /// A source that could not be drained. It has been removed: level-triggered, it would spin.
    public struct Failure {
        public let source: any EventSource
        public let error: SystemCallError
    }

    private struct Slot {
        var generation: UInt32 = 0
        var source: (any EventSource)?
    }

    /// How many sources one turn serves; the others wait for the next.
    private static let batch = 256

    private let epoll: Descriptor
    private var slots: [Slot] = []
    private var free: [UInt32] = []
    /// Removed sources, released before the next wait. Pending starts come first.
    private var retired: [any EventSource] = []
    /// The few sources that may have a backlog.
    private var backlogged: [(token: Token, source: any BackloggedSource)] = []
    private var ready = Array(repeating: epoll_event(), count: batch)
    /// Whether the last turn served a full batch, so that other sources may be ready too.
    public private(set) var mayHaveMore = false

    /// Calls epoll_create1(2).
    public init() throws(SystemCallError) {
        epoll = Descriptor(
            adopting: try systemCall("epoll_create1") { epoll_create1(CInt(EPOLL_CLOEXEC)) })
    }

    /// Starts waiting for `source`, and keeps it alive (epoll_ctl(2), `EPOLL_CTL_ADD`).
    public func add(_ source: any EventSource) throws(SystemCallError) -> Token {
        if free.isEmpty {
            free.append(UInt32(slots.count))
            slots.append(Slot())
        }
        let slot = free.removeLast()
        let token = Token(slot: slot, generation: slots[Int(slot)].generation)
        if retired.contains(where: { $0 === source }) { letGoOfRetired() }
        do throws(SystemCallError) {
            try control(EPOLL_CTL_ADD, source.descriptor, source.interest, token)
        } catch {
            free.append(slot)
            throw error
        }
        slots[Int(slot)].source = source
        if let source = source as? any BackloggedSource { backlogged.append((token, source)) }
        return token
    }

    /// Applies a change of the source's `interest` (epoll_ctl(2), `EPOLL_CTL_MOD`).
    public func update(_ token: Token) throws(SystemCallError) {
        guard let source = source(of: token) else { return }
        try control(EPOLL_CTL_MOD, source.descriptor, source.interest, token)
    }

    /// Stops waiting for the source at once; it is kept alive until the next wait.
    public func remove(_ token: Token) {
        guard let source = source(of: token) else { return }
        retired.append(source)
        backlogged.removeAll { $0.source === source }
        slots[Int(token.slot)].source = nil
        slots[Int(token.slot)].generation &+= 1
        free.append(token.slot)
    }

    /// Sleeps until a source is ready, then drains all that are (epoll_wait(2)). While a source has
    /// a backlog it does not sleep.
    ///
    /// - Parameter mayWait: false if the caller has more to do at once.
    public func wait(
        into events: inout [Event], mayWait: Bool = true
    ) throws(SystemCallError) -> [Failure] {
        letGoOfRetired()
        var failures: [Failure] = []
        let waiting = backlogged.filter { $0.source.hasBacklog }
        let timeout: CInt = waiting.isEmpty && mayWait ? -1 : 0
        let count = try ready.withUnsafeMutableBufferPointer { buffer throws(SystemCallError) in
            try systemCall("epoll_wait") {
                epoll_wait(epoll.rawValue, buffer.baseAddress!, CInt(buffer.count), timeout)
            }
        }
        mayHaveMore = Int(count) == ready.count
        for index in 0..<Int(count) {
            drain(Token(bits: ready[index].data.u64), into: &events, &failures)
        }
        for (token, source) in waiting where source.hasBacklog {
            drain(token, into: &events, &failures)
        }
        return failures
    }

    private func drain(_ token: Token, into events: inout [Event], _ failures: inout [Failure]) {
        guard let source = source(of: token) else { return }
        do throws(SystemCallError) {
            try source.drain(into: &events)
            // For example, a pipe's end of file would be ready for ever.
            if source.isFinished { remove(token) }
        } catch {
            remove(token)
            failures.append(Failure(source: source, error: error))
        }
    }

    private func letGoOfRetired() {
        for source in retired {
            // Not left to close(2): a child between vfork and exec may still hold a copy, and then
            // the descriptor would keep reporting. This fails only if it is not registered.
            _ = epoll_ctl(epoll.rawValue, EPOLL_CTL_DEL, source.descriptor, nil)
        }
        retired.removeAll(keepingCapacity: true)
    }

    private func source(of token: Token) -> (any EventSource)? {
        guard token.slot < slots.count, slots[Int(token.slot)].generation == token.generation
        else { return nil }
        return slots[Int(token.slot)].source
    }

    private func control(
        _ operation: CInt, _ descriptor: CInt, _ interest: Interest, _ token: Token
    ) throws(SystemCallError) {
        var record = epoll_event()
        if interest.contains(.readable) { record.events |= EPOLLIN.rawValue }
        if interest.contains(.writable) { record.events |= EPOLLOUT.rawValue }
        if interest.contains(.changed) { record.events |= EPOLLPRI.rawValue }
        if interest.contains(.edge) { record.events |= EPOLLET.rawValue }
        record.data.u64 = token.bits
        try systemCall("epoll_ctl", on: "descriptor \(descriptor)") {
            epoll_ctl(epoll.rawValue, operation, descriptor, &record)
        }
    }
}
