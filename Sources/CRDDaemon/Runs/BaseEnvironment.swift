// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import SystemPackage

/// The part of an executable's environment that is the same for every run.
struct BaseEnvironment {
    /// The part that many modules share, in memory too.
    private let common: CStringBlock
    private let own: CStringBlock

    /// A copy to which a run's own variables can be appended.
    var block: CStringBlock {
        var block = common
        block.append(contentsOf: own)
        return block
    }

    /// The blocks that modules share.
    final class Commons {
        fileprivate struct Key: Hashable {
            let account: UserAccount
            let environment: [String: String]
        }

        fileprivate static let countMax = 1_024
        fileprivate var blocks: [Key: CStringBlock] = [:]
    }

    init(
        _ module: ModuleOnDisk, _ role: Role, as account: UserAccount, state: FilePath,
        configuration: ConfigurationFile, sharing commons: Commons
    ) {
        own = CommonEnvironment.own(module.name, role, state: state)
        let key = Commons.Key(account: account, environment: module.manifest.environment)
        if let known = commons.blocks[key] {
            common = known
        } else {
            common = CommonEnvironment.block(
                for: account, module.manifest.environment, configuration)
            // Bounds the memory when files keep changing.
            if commons.blocks.count >= Commons.countMax { commons.blocks = [:] }
            commons.blocks[key] = common
        }
    }
}
