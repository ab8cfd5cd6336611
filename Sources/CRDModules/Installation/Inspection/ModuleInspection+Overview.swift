// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import SystemPackage

extension ModuleInspection {
    private static let filesShownMax = 100

    /// The files of a module that is about to be installed, for somebody to look at: a line for
    /// each, with a star for an executable, and what will be run.
    var overview: [String] {
        let files = files.filter { $0.status.kind != .directory }
        // Scripts are executed first, so they must be among the files that are shown.
        let isScript = { (file: FileTree.Entry) in ModuleScript(rawValue: file.path.string) != nil }
        var lines = (files.filter(isScript) + files.filter { !isScript($0) })
            .prefix(Self.filesShownMax).map { file in
                let marker = file.status.mode & 0o111 != 0 ? "*" : ""
                return "    \(file.path)\(marker)  \(file.status.size) bytes"
            }
        let more = files.count - Self.filesShownMax
        if more > 0 { lines.append("    and \(more) more") }
        if files.contains(where: { $0.path == "install" }) {
            lines.append("its 'install' will be run as \(UserAccount.daemon.name)")
        }
        return lines
    }
}
