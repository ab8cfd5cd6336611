// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import SystemPackage

/// Finds path triggers of a manifest that hardly ever fire, by examining the disk, and advises what
/// to write instead.
enum PathAdvice {
    /// Returns the warnings about a manifest's path triggers.
    ///
    /// - Parameters:
    ///   - root: the manifest's top-level table.
    ///   - file: the manifest's name in the warnings.
    static func warnings(
        about root: TOMLTable, in file: String, _ reach: PathReach
    ) -> [Diagnostic] {
        guard case .table(let triggers)? = root["trigger"]?.value.content,
            case .array(let items)? = triggers["path"]?.value.content
        else { return [] }
        return items.flatMap { item -> [Diagnostic] in
            guard case .table(let trigger) = item.content, let value = trigger["path"]?.value,
                case .string(let path) = value.content
            else { return [] }
            let messages = [warning(about: path, reach), silence(at: path, reach)]
            return messages.compactMap(\.self).map { message in
                Diagnostic(
                    .warning, file: file, position: value.position,
                    message: "'trigger.path.path': \(message)")
            }
        }
    }

    /// Warns about file systems where inotify(7) does not report all changes. The daemon reports
    /// this with the module's state.
    private static func silence(at path: String, _ reach: PathReach) -> String? {
        guard reach.mayWait,
            let type = try? MountSource().map.fileSystem(holding: Array(path.utf8)),
            type.hidesChanges
        else { return nil }
        return
            "\(type.silence(at: PrintableText.of(path))); the module is checked at least every 5s "
            + "instead, or not at all if its interval is \"off\": set the interval that it needs"
    }

    /// Warns about a path with glob characters that does not exist: paths are taken literally.
    private static func warning(about path: String, _ reach: PathReach) -> String? {
        let globs = FilePath(path).components.filter { component in
            component.string.contains { "*?[".contains($0) }
        }
        guard path.hasPrefix("/"), let first = globs.first,
            reach.obstacle(on: FilePath(path)) == nil,
            FileStatus(of: FilePath(path), followingLinks: false) == nil
        else { return nil }
        return
            "there is no '\(PrintableText.of(path))', and glob characters are taken literally; "
            + "watch the directory above '\(PrintableText.of(first.string))', with "
            + "include = [\"\(PrintableText.of(first.string))\"]"
    }
}
