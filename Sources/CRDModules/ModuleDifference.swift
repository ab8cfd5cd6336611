// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore

/// The differences between the active user modules and those on disk (G11).
public struct ModuleDifference: Sendable {
    public private(set) var added: [ModuleOnDisk] = []
    /// Modules that replace the active ones of the same name.
    public private(set) var changed: [ModuleOnDisk] = []
    public private(set) var removed: [ModuleName] = []
    /// Modules with faulty files, whose active version stays.
    public private(set) var kept: [ModuleOnDisk] = []
    /// Modules that equal their active version.
    public private(set) var untouched: [ModuleName] = []

    /// Compares the active modules with those on disk.
    ///
    /// - Parameters:
    ///   - inForce: returns the active module of a name.
    ///   - found: the modules that were just read.
    ///   - names: the modules that were searched for.
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

    /// Leaves out new or changed modules that are not ready yet.
    public mutating func leaveOut(where isUnready: (ModuleOnDisk) -> Bool) {
        added.removeAll(where: isUnready)
        changed.removeAll(where: isUnready)
        kept.removeAll(where: isUnready)
    }
}
