// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDModules

/// The active user modules, by number and by name.
final class ModulesInForce {
    /// An active module.
    struct Member {
        private enum Form {
            case ready(PreparedModule)
            /// Rare, so that it should not take space in every member.
            indirect case unable(ModuleOnDisk)
        }

        let name: ModuleName
        private let form: Form
        /// The faults of its current files; the previous version stays in effect.
        var faults: [Diagnostic] = []
        /// Whether it does not run because of the faults.
        var isRefused = false
        /// Whether it was removed while a run of it was in progress.
        var isLeaving = false

        init(_ prepared: PreparedModule) {
            name = prepared.installed.name
            form = .ready(prepared)
        }

        /// Makes a member that cannot run.
        init(unable module: ModuleOnDisk) {
            name = module.name
            form = .unable(module)
        }

        /// Nil for a member that cannot run.
        var prepared: PreparedModule? {
            if case .ready(let prepared) = form { prepared } else { nil }
        }

        var installed: ModuleOnDisk {
            switch form {
            case .ready(let prepared): prepared.installed
            case .unable(let module): module
            }
        }
    }

    /// By `ModuleID`; nil if a number is free.
    private var members: [Member?] = []
    private var ids: [ModuleName: ModuleID] = [:]
    private var free: [ModuleID] = []
    /// Modules whose responses may leave processes behind, now or in an earlier version: those
    /// leftovers may stay, whatever the module's files contain now.
    private var keepers: Set<String> = []

    /// Returns a member; the number must be in use.
    subscript(id: ModuleID) -> Member {
        guard let member = members[id.index] else {
            preconditionFailure("no module has the number \(id.index)")
        }
        return member
    }

    func id(of name: ModuleName) -> ModuleID? { ids[name] }

    /// Returns the module with this number; nil if the number is free or the module cannot run.
    func prepared(_ id: ModuleID) -> PreparedModule? {
        members.indices.contains(id.index) ? members[id.index]?.prepared : nil
    }

    /// Returns nil if the module does not exist or is being removed.
    func member(_ name: ModuleName) -> Member? {
        guard let id = ids[name], let member = members[id.index], !member.isLeaving else {
            return nil
        }
        return member
    }

    /// All members with their numbers, in the order of the numbers.
    var all: [(id: ModuleID, member: Member)] {
        members.enumerated().compactMap { index, member in member.map { (ModuleID(index), $0) } }
    }

    /// The members that are not being removed.
    var names: [ModuleName] {
        ids.filter { members[$0.value.index]?.isLeaving == false }.map(\.key)
    }

    /// Returns whether responses of a module may leave processes behind.
    func keepsLeftovers(_ name: String) -> Bool { keepers.contains(name) }

    /// Adds the member, or replaces the one with its name.
    func put(_ member: Member) -> ModuleID {
        let id = ids[member.name] ?? newID()
        ids[member.name] = id
        members[id.index] = member
        if member.installed.manifest.leftovers == .keep {
            keepers.insert(member.name.description)
        }
        return id
    }

    private func newID() -> ModuleID {
        if let id = free.popLast() { return id }
        members.append(nil)
        return ModuleID(members.count - 1)
    }

    func setFaults(_ faults: [Diagnostic], of name: ModuleName, areRefusals: Bool = false) {
        guard let id = ids[name] else { return }
        members[id.index]?.faults = faults
        members[id.index]?.isRefused = areRefusals
    }

    /// Marks a member as removed.
    ///
    /// - Returns: its number, which it keeps until it is forgotten.
    func leave(_ name: ModuleName) -> ModuleID? {
        guard let id = ids[name] else { return nil }
        members[id.index]?.isLeaving = true
        return id
    }

    /// Frees the number after the scheduler has released it.
    func forget(_ id: ModuleID) {
        ids[self[id].name] = nil
        members[id.index] = nil
        free.append(id)
    }
}
