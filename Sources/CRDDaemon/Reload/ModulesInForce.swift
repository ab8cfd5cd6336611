// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDModules

/// The user modules that are in force, by number and by name.
final class ModulesInForce {
    /// One of them.
    struct Member {
        private enum Form {
            case ready(PreparedModule)
            /// Rare, so that it need not find room in every member.
            indirect case unable(ModuleOnDisk)
        }

        let name: ModuleName
        private let form: Form
        /// What is wrong with its files by now; in force is what they said before.
        var faults: [Diagnostic] = []
        /// Because of them it does not run.
        var isRefused = false
        /// It was removed, but a run of it is under way.
        var isLeaving = false

        init(_ prepared: PreparedModule) {
            name = prepared.installed.name
            form = .ready(prepared)
        }

        /// One that cannot run.
        init(unable module: ModuleOnDisk) {
            name = module.name
            form = .unable(module)
        }

        /// Nil for one that cannot run.
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

    /// By `ModuleID`; nil where a number is free.
    private var members: [Member?] = []
    private var ids: [ModuleName: ModuleID] = [:]
    private var free: [ModuleID] = []
    /// Modules whose responses may leave processes behind, or might: what they left behind then may
    /// stay, whatever their files say by now.
    private var keepers: Set<String> = []

    /// A member; the number must be one's.
    subscript(id: ModuleID) -> Member {
        guard let member = members[id.index] else {
            preconditionFailure("nobody has the number \(id.index)")
        }
        return member
    }

    func id(of name: ModuleName) -> ModuleID? { ids[name] }

    /// What runs under the number; nil where that is nobody's, or the module cannot run.
    func prepared(_ id: ModuleID) -> PreparedModule? {
        members.indices.contains(id.index) ? members[id.index]?.prepared : nil
    }

    /// Nil for one that is not there, or on its way out.
    func member(_ name: ModuleName) -> Member? {
        guard let id = ids[name], let member = members[id.index], !member.isLeaving else {
            return nil
        }
        return member
    }

    /// All that have a number, with it, in the order of the numbers.
    var all: [(id: ModuleID, member: Member)] {
        members.enumerated().compactMap { index, member in member.map { (ModuleID(index), $0) } }
    }

    /// Those that are not on their way out.
    var names: [ModuleName] {
        ids.filter { members[$0.value.index]?.isLeaving == false }.map(\.key)
    }

    /// Whether responses of a module may leave processes behind.
    func keepsLeftovers(_ name: String) -> Bool { keepers.contains(name) }

    /// Takes the member in, in the place of one of its name if there is one.
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

    func note(_ faults: [Diagnostic], of name: ModuleName, areRefusals: Bool = false) {
        guard let id = ids[name] else { return }
        members[id.index]?.faults = faults
        members[id.index]?.isRefused = areRefusals
    }

    /// - Returns: the number, which it keeps until it is forgotten.
    func leave(_ name: ModuleName) -> ModuleID? {
        guard let id = ids[name] else { return nil }
        members[id.index]?.isLeaving = true
        return id
    }

    /// The scheduler has let go of the number.
    func forget(_ id: ModuleID) {
        ids[self[id].name] = nil
        members[id.index] = nil
        free.append(id)
    }
}
