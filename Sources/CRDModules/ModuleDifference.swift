// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore

/// What differs between the user modules that are in force and those that were found on disk (G11).
public struct ModuleDifference: Sendable {
    public private(set) var added: [ModuleOnDisk] = []
    /// They take the place of those of their name.
    public private(set) var changed: [ModuleOnDisk] = []
    public private(set) var removed: [ModuleName] = []
    /// Something is wrong with their files, so that what is in force stays.
    public private(set) var kept: [ModuleOnDisk] = []
    /// They are as they are in force.
    public private(set) var untouched: [ModuleName] = []

    /// - Parameters:
    ///   - inForce: what is in force of that name.
    ///   - found: as it was read just now.
    ///   - names: those that were looked for.
    public init(
        from inForce: (ModuleName) -> ModuleOnDisk?, to found: [ModuleOnDisk],
        among names: [ModuleName]
    ) {
        var there: Set<ModuleName> = []
        for var module in found where module.kind == .user {
            there.insert(module.name)
            let former = inForce(module.name)
            if let former, !module.isStalled, module.mayDiffer(from: former) {
                module.readContent()
            }
            switch former {
            case nil: added.append(module)
            case let former? where former.isSame(as: module): untouched.append(module.name)
            case let former? where !module.complaints.isEmpty && former.complaints.isEmpty:
                kept.append(module)
            case _?: changed.append(module)
            }
        }
        removed = names.filter { !there.contains($0) && inForce($0) != nil }
    }

    /// Leaves out those that are new, or other than before, and not ready to be judged.
    public mutating func leaveOut(where isUnready: (ModuleOnDisk) -> Bool) {
        added.removeAll(where: isUnready)
        changed.removeAll(where: isUnready)
        kept.removeAll(where: isUnready)
    }
}
